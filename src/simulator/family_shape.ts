// SPDX-License-Identifier: Apache-2.0
import type { Motion } from "./motion.ts";

/** A family of a simulated page without its numbers. It is the same for many sandboxes. */
export interface FamilyShape {
  readonly name: string;
  /** The HELP and TYPE lines. */
  readonly header: Buffer;
  /** The text before each number, with the space. */
  readonly lines: readonly Buffer[];
  /** Whether the numbers of the family change on every scrape, even if it is large; false if left out. */
  readonly isRestless?: boolean;
  /** Writes the first numbers from `numbers[at]` on. */
  start(numbers: Float64Array, at: number, random: () => number): void;
  /** Replaces the numbers from `numbers[at]` on by those of the next scrape. */
  move(numbers: Float64Array, at: number, step: Step): void;
}

/** The step from one scrape to the next. */
export interface Step {
  readonly random: () => number;
  /** The time since the numbers were changed last. */
  readonly elapsedMs: number;
}

export type LabelPairs = readonly (readonly [string, string])[];

export interface FamilyHead {
  readonly name: string;
  readonly type: "gauge" | "counter" | "summary";
  readonly help: string;
}

export interface Row {
  /** A suffix of the family's name, such as `_sum`. */
  readonly suffix?: string;
  readonly labels: LabelPairs;
  readonly motion: Motion;
}

/** Makes a family whose numbers do not depend on each other. */
export function familyOf({ name, type, help }: FamilyHead, rows: readonly Row[]): FamilyShape {
  const motions = rows.map(({ motion }) => motion);
  return {
    name,
    header: renderHeader(name, type, help),
    lines: rows.map(({ suffix = "", labels }) => renderLine(name + suffix, labels)),
    start(numbers, at, random) {
      for (const [index, motion] of motions.entries()) numbers[at + index] = motion.first(random);
    },
    move(numbers, at, { random, elapsedMs }) {
      let column = at;
      for (const motion of motions) {
        numbers[column] = motion.next(numbers[column] as number, random, elapsedMs); // The family has all its columns.
        column++;
      }
    },
  };
}

const BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/** The number of columns of one action: the bounds, `+Inf`, `_sum` and `_count`. */
const COLUMNS = BOUNDS.length + 3;
const CALLS_MAX = 3;

/**
 * Makes a histogram of the durations of calls, by action. Each call adds to the buckets that it is within, to the sum
 * and to the count.
 */
export function histogramOf(
  { name, help }: Omit<FamilyHead, "type">,
  actions: readonly string[],
): FamilyShape {
  const observeSome = (numbers: Float64Array, at: number, random: () => number): void => {
    for (let first = at; first < at + actions.length * COLUMNS; first += COLUMNS) {
      const calls = Math.floor(random() * (CALLS_MAX + 1));
      for (let call = 0; call < calls; call++) observe(numbers, first, random);
    }
  };
  return {
    name,
    header: renderHeader(name, "histogram", help),
    lines: actions.flatMap((action) => {
      const labels = [["action", action]] as const;
      const bucket = (bound: string): Buffer => renderLine(`${name}_bucket`, [...labels, ["le", bound]]);
      return [
        ...BOUNDS.map((bound) => bucket(String(bound))),
        bucket("+Inf"),
        renderLine(`${name}_sum`, labels),
        renderLine(`${name}_count`, labels),
      ];
    }),
    start(numbers, at, random) {
      numbers.fill(0, at, at + actions.length * COLUMNS);
      for (let scrape = 0; scrape < 8; scrape++) observeSome(numbers, at, random);
    },
    move: (numbers, at, { random }) => observeSome(numbers, at, random),
  };
}

/** Observes one call of up to 1,024 ms. Short calls are more likely. */
function observe(numbers: Float64Array, first: number, random: () => number): void {
  const ms = Math.round(2 ** (10 * random() * random()) * 10) / 10;
  const add = (column: number, amount: number): void => {
    numbers[first + column] = (numbers[first + column] as number) + amount; // An action has all its columns.
  };
  for (const [column, bound] of BOUNDS.entries()) if (ms <= bound) add(column, 1);
  add(BOUNDS.length, 1);
  add(BOUNDS.length + 1, ms);
  add(BOUNDS.length + 2, 1);
}

/** Makes the text of a family with one row per item of each thing, such as a disk. */
export function gridOf(
  { name, type, help }: FamilyHead,
  { label, things, items }: { label: string; things: readonly string[]; items: readonly string[] },
): Pick<FamilyShape, "name" | "header" | "lines"> {
  const lines = things.flatMap((thing) =>
    items.map((item) =>
      renderLine(name, [
        [label, thing],
        ["item", item],
      ]),
    ),
  );
  return { name, header: renderHeader(name, type, help), lines };
}

function renderHeader(name: string, type: string, help: string): Buffer {
  return Buffer.from(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
}

function renderLine(name: string, labels: LabelPairs): Buffer {
  const pairs = labels.map(([key, value]) => `${key}="${value}"`).join(",");
  return Buffer.from(labels.length === 0 ? `${name} ` : `${name}{${pairs}} `);
}
