// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { BoundedMap } from "../metrics/bounded_map.ts";
import { getOrMake } from "../metrics/memoized.ts";
import { TICK_MS } from "./cpu_family.ts";
import type { FamilyShape } from "./family_shape.ts";
import type { GuestConditionName } from "./guest_condition.ts";
import { LineWriter, NUMBER_TEXT_BYTES_MAX, type NumberStyle } from "./number_text.ts";
import {
  agentFamilies,
  goShimFamilies,
  type PageFamilies,
  type PageSizes,
  rsShimFamilies,
} from "./page_families.ts";
import { seededRandom, shuffled } from "./random.ts";

export interface SimulatedPageOptions extends PageSizes {
  readonly flavor: NumberStyle;
  /** Without a clock, the same seed makes the same pages, scrape by scrape. */
  readonly seed: number;
  /** The clock of the guest. Without one, 15 s pass from each scrape to the next. */
  readonly clock?: Clock;
  /** The hypervisor of a runtime-rs sandbox. Only "dragonball", the default, has metrics of its own. */
  readonly hypervisor?: string;
}

/** A simulated shim's page. With the default sizes a Go page has 1,261 samples in 75 families, 84 KB. */
export interface SimulatedPage {
  readonly samples: number;
  /**
   * Returns the text of the next scrape: numbers have changed, and on a Go shim's page the blocks of the guest's agent
   * are in another order. The buffer is not changed later.
   */
  render(): Buffer;
  /** Returns only the shim's own part, which is served while the guest's agent does not answer. */
  renderWithoutAgent(): Buffer;
  /** Sets the guest's condition. Counters keep their values. */
  setCondition(condition: GuestConditionName): void;
}

/** The time between two scrapes for a page without a clock, in milliseconds. */
const INTERVAL_MS = 15_000;

/**
 * A family of a healthy guest with more samples than this changes on some scrapes only. On the others it is copied from
 * the page before, because the simulator shares its CPUs with the agent that is measured.
 */
const MOVING_ALWAYS_SAMPLES_MAX = 8;
/** A family with more than `MOVING_ALWAYS_SAMPLES_MAX` samples changes once in this many scrapes. */
const MOVING_SHARE = 4;

/** Makes the page of one sandbox. */
export function createPage({ seed, clock, ...shape }: SimulatedPageOptions): SimulatedPage {
  return new Page(shape, { random: seededRandom(seed), clock });
}

/** The options that pages of one layout have in common. */
type PageShape = Omit<SimulatedPageOptions, "seed" | "clock">;

/** The families and columns of a page, the same for all pages of one shape. */
interface Layout {
  readonly families: readonly FamilyShape[];
  /** The column of each family's first number, in the order of `families`. */
  readonly columns: readonly number[];
  readonly samples: number;
  /** The shim's own families, as indices into `families`. */
  readonly shim: readonly number[];
  /** The families of the guest's agent, as indices into `families`. */
  readonly agent: readonly number[];
  /** The size of a page with the longest possible numbers. */
  readonly bytesMax: number;
}

/** The most layouts that are kept. When one more is made, all others are dropped. A node has one or two, tests more. */
const LAYOUTS_MAX = 16;
const layouts = new BoundedMap<string, Layout>(LAYOUTS_MAX);

function layoutOf(shape: PageShape): Layout {
  return getOrMake(layouts, JSON.stringify(shape), () => makeLayout(familiesOf(shape)));
}

function familiesOf({ flavor, hypervisor = "dragonball", ...sizes }: PageShape): PageFamilies {
  if (flavor === "go") return { shim: goShimFamilies(sizes), agent: agentFamilies(sizes) };
  return { shim: rsShimFamilies(sizes, hypervisor), agent: agentFamilies({ disks: 2, ...sizes }) };
}

function makeLayout({ shim, agent }: PageFamilies): Layout {
  const families = [...shim, ...agent];
  const columns: number[] = [];
  let samples = 0;
  let bytesMax = 0;
  for (const { header, lines } of families) {
    columns.push(samples);
    samples += lines.length;
    bytesMax += header.length;
    for (const line of lines) bytesMax += line.length + NUMBER_TEXT_BYTES_MAX;
  }
  const indices = families.map((_, index) => index);
  return {
    families,
    columns,
    samples,
    shim: indices.slice(0, shim.length),
    agent: indices.slice(shim.length),
    bytesMax,
  };
}

class Page implements SimulatedPage {
  readonly #shape: PageShape;
  readonly #random: () => number;
  readonly #clock: Clock | undefined;
  readonly #numbers: Float64Array;
  /** When each family's numbers were changed last. */
  readonly #movedAtMs: Float64Array;
  /** Where each family's block begins in the page before. */
  readonly #starts: Uint32Array;
  /** Where each family's block ends in the page before; the same as its beginning if that page has no such block. */
  readonly #ends: Uint32Array;
  /** The layouts of all conditions are the same, except for the motions in them. */
  #layout: Layout;
  #isSick = false;
  #before = Buffer.alloc(0);
  #scrape = 0;

  constructor(shape: PageShape, { random, clock }: { random: () => number; clock: Clock | undefined }) {
    const layout = layoutOf(shape);
    this.#shape = shape;
    this.#random = random;
    this.#clock = clock;
    this.#layout = layout;
    this.#numbers = new Float64Array(layout.samples);
    this.#movedAtMs = new Float64Array(layout.families.length).fill(this.#nowMs());
    this.#starts = new Uint32Array(layout.families.length);
    this.#ends = new Uint32Array(layout.families.length);
    for (const [index, family] of layout.families.entries())
      family.start(this.#numbers, layout.columns[index] ?? 0, this.#random);
  }

  get samples(): number {
    return this.#layout.samples;
  }

  render(): Buffer {
    const { shim, agent } = this.#layout;
    // The Go shim sorts its own families, but takes those of the guest's agent from a Go map, in random order. runtime-rs
    // writes those of the guest's agent first.
    return this.#write(
      this.#shape.flavor === "go" ? [...shim, ...shuffled(agent, this.#random)] : [...agent, ...shim],
    );
  }

  renderWithoutAgent(): Buffer {
    return this.#write(this.#layout.shim);
  }

  setCondition(condition: GuestConditionName): void {
    this.#layout = layoutOf({ ...this.#shape, condition });
    this.#isSick = condition !== "well";
  }

  /** Returns the time in whole ticks of the guest's kernel, so that no part of a tick is lost between two scrapes. */
  #nowMs(): number {
    const nowMs = this.#clock?.monotonicMs() ?? this.#scrape * INTERVAL_MS;
    return nowMs - (nowMs % TICK_MS);
  }

  #write(order: readonly number[]): Buffer {
    this.#scrape++;
    const page = Buffer.allocUnsafe(this.#layout.bytesMax);
    const writer = new LineWriter(page, this.#shape.flavor);
    const starts = this.#starts.slice();
    const ends = this.#ends.slice();
    this.#starts.fill(0);
    this.#ends.fill(0);
    for (const index of order) {
      const [start = 0, end = 0] = [starts[index], ends[index]];
      this.#starts[index] = writer.length;
      if (this.#move(index) || start === end) this.#writeBlock(index, writer);
      else writer.copyRange(this.#before, start, end);
      this.#ends[index] = writer.length;
    }
    this.#before = page.subarray(0, writer.length);
    return this.#before;
  }

  /**
   * Changes the family's numbers, or leaves them for this scrape, as `MOVING_SHARE` says. Returns whether it changed
   * them.
   */
  #move(index: number): boolean {
    const { families, columns } = this.#layout;
    const family = families[index] as FamilyShape; // Every order has indices of families.
    const rests =
      family.lines.length > MOVING_ALWAYS_SAMPLES_MAX && family.isRestless !== true && !this.#isSick;
    if (rests && (index + this.#scrape) % MOVING_SHARE !== 0) return false;
    const nowMs = this.#nowMs();
    const elapsedMs = nowMs - (this.#movedAtMs[index] as number);
    this.#movedAtMs[index] = nowMs;
    family.move(this.#numbers, columns[index] as number, { random: this.#random, elapsedMs });
    return true;
  }

  #writeBlock(index: number, writer: LineWriter): void {
    const { header, lines } = this.#layout.families[index] as FamilyShape;
    let column = this.#layout.columns[index] as number;
    writer.copy(header);
    for (const line of lines) {
      writer.copy(line);
      writer.endLine(this.#numbers[column++] as number);
    }
  }
}
