import type { FamilyRecord } from "./family_record.ts";
import type { Layout } from "./layout.ts";

export interface LayoutLimits {
  /** Layouts of all sources. */
  readonly layoutsMax: number;
  /** Layouts that one source brought first. A page has up to 80, and some have variants. */
  readonly layoutsPerSourceMax: number;
  /** Memory for the layouts of all sources. A thousand sandboxes share a few hundred layouts of about a megabyte. */
  readonly layoutBytesMax: number;
  /** Memory for the layouts that one source brought first: several times what the largest page takes. */
  readonly layoutBytesPerSourceMax: number;
}

/** A layout that no page showed in this many rounds is forgotten. */
const ROUNDS_KEPT = 8;
/** What a layout takes about: so often its literal, and for its family so much per sample line and once. */
const LITERAL_COPIES = 3;
const LINE_BYTES = 320;
const LAYOUT_BYTES = 1_024;

/** Who brought a layout first, and is charged for it until it is forgotten. */
export interface LayoutOwner {
  layouts: number;
  layoutBytes: number;
}

export interface KnownLayout {
  readonly layout: Layout;
  readonly record: FamilyRecord;
  /** The family's name on the page. */
  readonly name: string;
  readonly group: LayoutGroup;
  readonly owner: LayoutOwner;
  readonly bytes: number;
  /** The round in which a page showed it last. */
  lastRound: number;
  forgotten: boolean;
}

/** The layouts whose first line hashes alike: as a rule, those of one family. The newest stands last. */
export interface LayoutGroup {
  known: KnownLayout[];
}

/** The layouts of all sources. Bounded in memory, in all and for each source. */
export class KnownLayouts {
  readonly #all = new Map<string, KnownLayout>();
  readonly #groups = new Map<number, LayoutGroup>();
  readonly #limits: LayoutLimits;
  #bytes = 0;
  #round = 0;

  constructor(limits: LayoutLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#all.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get round(): number {
    return this.#round;
  }

  /** The layouts that begin with a line of this hash. */
  group(hash: number): LayoutGroup | undefined {
    return this.#groups.get(hash);
  }

  /** Keeps a layout. Undefined where a limit forbids it; the layout that is already kept where there is an equal one. */
  add(
    hash: number,
    layout: Layout,
    origin: { record: FamilyRecord; name: string; owner: LayoutOwner },
  ): KnownLayout | undefined {
    const { record, name, owner } = origin;
    const { text } = layout;
    const twin = this.#all.get(text);
    if (twin !== undefined) return twin;
    const bytes = LAYOUT_BYTES + LITERAL_COPIES * text.length + LINE_BYTES * layout.lengths.length;
    if (!this.#hasRoom(bytes, owner)) return undefined;
    const group = this.#groups.get(hash) ?? { known: [] };
    const known = { layout, record, name, group, owner, bytes, lastRound: this.#round, forgotten: false };
    this.#groups.set(hash, group);
    this.#all.set(text, known);
    group.known.push(known);
    this.#bytes += bytes;
    owner.layoutBytes += bytes;
    owner.layouts++;
    return known;
  }

  #hasRoom(bytes: number, owner: LayoutOwner): boolean {
    const { layoutsMax, layoutsPerSourceMax, layoutBytesMax, layoutBytesPerSourceMax } = this.#limits;
    return (
      this.#all.size < layoutsMax &&
      owner.layouts < layoutsPerSourceMax &&
      this.#bytes + bytes <= layoutBytesMax &&
      owner.layoutBytes + bytes <= layoutBytesPerSourceMax
    );
  }

  /** Begins the next round and forgets what was not seen for some rounds. */
  nextRound(): void {
    const oldest = ++this.#round - ROUNDS_KEPT;
    for (const [hash, group] of this.#groups) {
      if (group.known.every((known) => known.lastRound >= oldest)) continue;
      for (const known of group.known) if (known.lastRound < oldest) this.#forget(known);
      group.known = group.known.filter((known) => !known.forgotten);
      if (group.known.length === 0) this.#groups.delete(hash);
    }
  }

  #forget(known: KnownLayout): void {
    known.forgotten = true;
    known.owner.layoutBytes -= known.bytes;
    known.owner.layouts--;
    this.#bytes -= known.bytes;
    this.#all.delete(known.layout.text);
  }
}
