// SPDX-License-Identifier: Apache-2.0
import type { FamilyRecord } from "./family_record.ts";
import type { Layout } from "./layout.ts";

/** Limits on the layouts that the parser remembers. */
export interface LayoutLimits {
  /** The most layouts of all sources together. At the limit, the source that is charged for most gives some up. */
  readonly layoutsMax: number;
  /**
   * The most layouts that one source is charged for. At the limit, no new one is kept for the source. A page has up to
   * 80 blocks, each with its layout, and some blocks have variants.
   */
  readonly layoutsPerSourceMax: number;
  /**
   * The bytes of memory for the layouts of all sources. A thousand sandboxes share a few hundred layouts, about a
   * megabyte.
   */
  readonly layoutBytesMax: number;
  /** The bytes of memory for the layouts that one source is charged for: several times those of the largest page. */
  readonly layoutBytesPerSourceMax: number;
}

/** A layout that was on no page in this many rounds is forgotten. A round is one collection interval. */
const ROUNDS_KEPT = 8;
/**
 * A source that must give up layouts gives up one in this many at once, so that its oldest layouts are not searched for
 * each new layout of others.
 */
const RELIEVED_PART = 8;
/** The memory of a layout is estimated. Its literal is counted this many times: as bytes, text and doubles. */
const LITERAL_COPIES = 3;
/** The estimated bytes of memory that the layout's family takes for each sample line. */
const LINE_BYTES = 320;
/** The estimated bytes of memory for each layout and its family, in addition to the literal and the lines. */
const LAYOUT_BYTES = 1_024;

/**
 * A source that is charged for layouts: those that its pages had first, and those that another source gave up while
 * this source's pages still had them.
 */
export interface LayoutOwner {
  readonly charged: Charged;
}

/** The layouts that one source is charged for. */
export class Charged {
  readonly layouts: Set<KnownLayout> = new Set();
  bytes = 0;
}

/** A layout that is remembered, and the sources whose pages have it. */
export interface KnownLayout {
  readonly layout: Layout;
  readonly record: FamilyRecord;
  /** The family's name on the page. */
  readonly name: string;
  readonly group: LayoutGroup;
  readonly bytes: number;
  owner: LayoutOwner;
  /** The last round in which any page had the layout. */
  lastRound: number;
  /** The last round in which a page of a source other than the owner had the layout; 0 if none had it. */
  otherRound: number;
  /** The source, other than the owner, whose page had the layout in `otherRound`. */
  other: LayoutOwner | undefined;
  /** Whether `KnownLayouts` has removed the layout. Sources may still refer to it, but must not use it. */
  forgotten: boolean;
}

/** The layouts whose first lines have the same hash. They are usually those of one family. The newest is last. */
export interface LayoutGroup {
  readonly hash: number;
  known: KnownLayout[];
}

/** Remembers the layouts of all sources. Their memory is limited for all sources together and for each source. */
export class KnownLayouts {
  readonly #all = new Map<string, KnownLayout>();
  readonly #groups = new Map<number, LayoutGroup>();
  readonly #owners = new Set<LayoutOwner>();
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

  /** Returns the layouts that begin with a line of this hash. */
  group(hash: number): LayoutGroup | undefined {
    return this.#groups.get(hash);
  }

  /**
   * Remembers a layout, and returns it, or an equal one that is remembered already. Returns undefined if a limit does
   * not allow a new one.
   */
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
    if (!this.#makeRoom(bytes, owner)) return undefined;
    const group = this.#groups.get(hash) ?? { hash, known: [] };
    const round = this.#round;
    const known: KnownLayout = {
      ...{ layout, record, name, group, bytes, owner },
      ...{ lastRound: round, otherRound: 0, other: undefined, forgotten: false },
    };
    this.#groups.set(hash, group);
    this.#all.set(text, known);
    group.known.push(known);
    this.#bytes += bytes;
    this.#charge(known, owner);
    return known;
  }

  /** Notes that a page of the source `by` has the layout in the current round. */
  show(known: KnownLayout, by: LayoutOwner): void {
    known.lastRound = this.#round;
    if (known.owner === by) return;
    known.otherRound = this.#round;
    known.other = by;
  }

  /**
   * Returns whether the source can be charged for a new layout of this size. At a limit on all sources together, the
   * source that is charged for most gives up some layouts first.
   */
  #makeRoom(bytes: number, { charged }: LayoutOwner): boolean {
    const { layoutsMax, layoutsPerSourceMax, layoutBytesMax, layoutBytesPerSourceMax } = this.#limits;
    if (charged.layouts.size >= layoutsPerSourceMax || charged.bytes + bytes > layoutBytesPerSourceMax)
      return false;
    while (this.#all.size >= layoutsMax || this.#bytes + bytes > layoutBytesMax) {
      const size = this.#all.size >= layoutsMax ? holdsLayouts : holdsBytes;
      const largest = this.#largest(size);
      // If this source itself is charged for most, no other source gives up layouts for it.
      if (largest === undefined || size(largest.charged) <= size(charged)) return false;
      this.#relieve(largest);
    }
    return true;
  }

  #largest(size: (charged: Charged) => number): LayoutOwner | undefined {
    let largest: LayoutOwner | undefined;
    for (const owner of this.#owners)
      if (largest === undefined || size(owner.charged) > size(largest.charged)) largest = owner;
    return largest;
  }

  /**
   * Makes an owner give up some layouts: those that have been on no page for longest. A layout that another source's
   * pages still have is charged to that source. The others are forgotten.
   */
  #relieve(owner: LayoutOwner): void {
    const held = [...owner.charged.layouts].sort((a, b) => a.lastRound - b.lastRound);
    for (const known of held.slice(0, Math.ceil(held.length / RELIEVED_PART))) {
      const { other, otherRound } = known;
      if (other !== undefined && otherRound > this.#round - ROUNDS_KEPT) this.#handOver(known, other);
      else this.#forget(known);
    }
    for (const group of new Set(held.map((known) => known.group))) this.#sweep(group);
  }

  /** Charges the source `to` for the layout instead of its owner. */
  #handOver(known: KnownLayout, to: LayoutOwner): void {
    this.#discharge(known);
    known.other = undefined;
    this.#charge(known, to);
  }

  #charge(known: KnownLayout, owner: LayoutOwner): void {
    known.owner = owner;
    owner.charged.layouts.add(known);
    owner.charged.bytes += known.bytes;
    this.#owners.add(owner);
  }

  #discharge(known: KnownLayout): void {
    const { charged } = known.owner;
    charged.layouts.delete(known);
    charged.bytes -= known.bytes;
    if (charged.layouts.size === 0) this.#owners.delete(known.owner);
  }

  /** Begins the next round, and forgets the layouts that were on no page for `ROUNDS_KEPT` rounds. */
  nextRound(): void {
    const oldest = ++this.#round - ROUNDS_KEPT;
    for (const group of this.#groups.values()) {
      if (group.known.every((known) => known.lastRound >= oldest)) continue;
      for (const known of group.known) if (known.lastRound < oldest) this.#forget(known);
      this.#sweep(group);
    }
  }

  #sweep(group: LayoutGroup): void {
    group.known = group.known.filter((known) => !known.forgotten);
    if (group.known.length === 0) this.#groups.delete(group.hash);
  }

  #forget(known: KnownLayout): void {
    known.forgotten = true;
    known.other = undefined;
    this.#discharge(known);
    this.#bytes -= known.bytes;
    this.#all.delete(known.layout.text);
  }
}

function holdsLayouts({ layouts }: Charged): number {
  return layouts.size;
}

function holdsBytes({ bytes }: Charged): number {
  return bytes;
}
