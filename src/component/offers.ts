/** What components offer each other by id, beside the pipelines. */
export interface Offers<T> {
  /** Returns what takes the offer back. */
  add(id: string, offer: T): () => void;
  all(): Iterable<readonly [id: string, offer: T]>;
}
