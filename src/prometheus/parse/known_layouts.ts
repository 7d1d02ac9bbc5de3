// SPDX-License-Identifier: Apache-2.0
import type { FamilyRecord } from "./family_record.ts";
import type { Layout } from "./layout.ts";

export interface LayoutLimits {
  /** The most layouts of all sources. */
  readonly layoutsMax: number;
  /** The most layouts that one source is charged for. A page has up to 80, and some have variants. */
  readonly layoutsPerSourceMax: number;
  /** The memory for the layouts of all sources. A thousand sandboxes share a few hundred layouts, about a megabyte. */
  readonly layoutBytesMax: number;
  /** The memory for the layouts that one source is charged for: several times that of the largest page. */
  readonly layoutBytesPerSourceMax: number;
}

/** A layout that no page showed in this many rounds is forgotten. */
const ROUNDS_KEPT = 8;
/** A source that must give up layouts gives up one in this many at a time, so that the source is not searched for each. */
const RELIEVED_PART = 8;
/** An estimate of a layout's memory: this many times its literal, and for its family, bytes per sample line and once. */
const LITERAL_COPIES = 3;
const LINE_BYTES = 320;
const LAYOUT_BYTES = 1_024;

/**
 * A source that is charged for layouts: for those that it brought first, and for those of others that it still shows when
 * these give them up.
 */
export interface LayoutOwner {
  readonly charged: Charged;
}

/** The layouts that one source is charged for. */
export class Charged {
  readonly layouts: Set<KnownLayout> = new Set();
  bytes = 0;
}

export interface KnownLayout {
  readonly layout: Layout;
  readonly record: FamilyRecord;
  /** The family's name on the page. */
  readonly name: string;
  readonly group: LayoutGroup;
  readonly bytes: number;
  owner: LayoutOwner;
  /** The last round in which a page showed the layout. */
  lastRound: number;
  /** The last round in which a source other than the owner showed it, and that source. */
  otherRound: number;
  other: LayoutOwner | undefined;
  /** Whether it is forgotten. Sources may still refer to it, but must not use it. */
  forgotten: boolean;
}

/** The layouts whose first lines have one hash, which are usually those of one family. The newest is last. */
export interface LayoutGroup {
  readonly hash: number;
  known: KnownLayout[];
}

/** Keeps the layouts of all sources. Their memory is limited in all and for each source. */
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

  /** Keeps a layout, and returns it or an equal one that is kept already. Returns undefined if a limit forbids it. */
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

  /** Notes that a page of this source shows the layout in this round. */
  show(known: KnownLayout, by: LayoutOwner): void {
    known.lastRound = this.#round;
    if (known.owner === by) return;
    known.otherRound = this.#round;
    known.other = by;
  }

  /** Whether the source may have another layout. If the limits of all sources are reached, the largest gives some up. */
  #makeRoom(bytes: number, { charged }: LayoutOwner): boolean {
    const { layoutsMax, layoutsPerSourceMax, layoutBytesMax, layoutBytesPerSourceMax } = this.#limits;
    if (charged.layouts.size >= layoutsPerSourceMax || charged.bytes + bytes > layoutBytesPerSourceMax)
      return false;
    while (this.#all.size >= layoutsMax || this.#bytes + bytes > layoutBytesMax) {
      const size = this.#all.size >= layoutsMax ? holdsLayouts : holdsBytes;
      const largest = this.#largest(size);
      // The source that holds most takes nothing from others.
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

  /** Takes some of its layouts from an owner: those that no page has shown for longest. */
  #relieve(owner: LayoutOwner): void {
    const held = [...owner.charged.layouts].sort((a, b) => a.lastRound - b.lastRound);
    for (const known of held.slice(0, Math.ceil(held.length / RELIEVED_PART))) {
      const { other, otherRound } = known;
      if (other !== undefined && otherRound > this.#round - ROUNDS_KEPT) this.#handOver(known, other);
      else this.#forget(known);
    }
    for (const group of new Set(held.map((known) => known.group))) this.#sweep(group);
  }

  /** Charges another source that still shows the layout. */
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

  /** Begins the next round, and forgets layouts that no page showed for some rounds. */
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
