/** What components offer each other by id, beside the pipelines. */
export interface Offers<T> {
  /** Takes the place of an earlier offer of the same id for as long as it lasts. Returns what takes it back. */
  add(id: string, offer: T): () => void;
  get(id: string): T | undefined;
  all(): Iterable<readonly [id: string, offer: T]>;
}
