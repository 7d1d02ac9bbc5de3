// SPDX-License-Identifier: Apache-2.0
import type { FamilyRecord } from "./family_record.ts";
import type { Layout } from "./layout.ts";

export interface LayoutLimits {
  /** Layouts of all sources. */
  readonly layoutsMax: number;
  /** Layouts that one source is charged for. A page has up to 80, and some have variants. */
  readonly layoutsPerSourceMax: number;
  /** Memory for the layouts of all sources. A thousand sandboxes share a few hundred layouts of about a megabyte. */
  readonly layoutBytesMax: number;
  /** Memory for the layouts that one source is charged for: several times what the largest page takes. */
  readonly layoutBytesPerSourceMax: number;
}

/** A layout that no page showed in this many rounds is forgotten. */
const ROUNDS_KEPT = 8;
/** Whoever must give up layouts gives up one of so many at a time, so that it is not looked for again for each. */
const RELIEVED_PART = 8;
/** What a layout takes about: so often its literal, and for its family so much per sample line and once. */
const LITERAL_COPIES = 3;
const LINE_BYTES = 320;
const LAYOUT_BYTES = 1_024;

/** Who is charged for layouts: for each the one who brought it first, or who shows it since that one was relieved. */
export interface LayoutOwner {
  readonly charged: Charged;
}

/** What one is charged for. */
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
  /** The round in which a page showed it last, and the one in which somebody else than its owner did, and who. */
  lastRound: number;
  otherRound: number;
  other: LayoutOwner | undefined;
  forgotten: boolean;
}

/** The layouts whose first line hashes alike: as a rule, those of one family. The newest stands last. */
export interface LayoutGroup {
  readonly hash: number;
  known: KnownLayout[];
}

/** The layouts of all sources. Bounded in memory, in all and for each source. */
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

  /** Notes that a page of this source shows the layout. */
  show(known: KnownLayout, by: LayoutOwner): void {
    known.lastRound = this.#round;
    if (known.owner === by) return;
    known.otherRound = this.#round;
    known.other = by;
  }

  /** Whether the source may have another layout. Where all places are taken, whoever holds most gives some up. */
  #makeRoom(bytes: number, { charged }: LayoutOwner): boolean {
    const { layoutsMax, layoutsPerSourceMax, layoutBytesMax, layoutBytesPerSourceMax } = this.#limits;
    if (charged.layouts.size >= layoutsPerSourceMax || charged.bytes + bytes > layoutBytesPerSourceMax)
      return false;
    while (this.#all.size >= layoutsMax || this.#bytes + bytes > layoutBytesMax) {
      const size = this.#all.size >= layoutsMax ? holdsLayouts : holdsBytes;
      const largest = this.#largest(size);
      // Whoever holds most itself takes nothing from others.
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

  /** Takes a part of its layouts from an owner, those first that no page has shown for longest. */
  #relieve(owner: LayoutOwner): void {
    const held = [...owner.charged.layouts].sort((a, b) => a.lastRound - b.lastRound);
    for (const known of held.slice(0, Math.ceil(held.length / RELIEVED_PART))) {
      const { other, otherRound } = known;
      if (other !== undefined && otherRound > this.#round - ROUNDS_KEPT) this.#handOver(known, other);
      else this.#forget(known);
    }
    for (const group of new Set(held.map((known) => known.group))) this.#sweep(group);
  }

  /** What others show is theirs to pay for. */
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

  /** Begins the next round and forgets what was not seen for some rounds. */
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
