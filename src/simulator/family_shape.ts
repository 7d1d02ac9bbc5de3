// SPDX-License-Identifier: Apache-2.0
import type { Motion } from "./motion.ts";

/** What a family of a simulated page looks like: everything but its numbers, and so the same for many sandboxes. */
export interface FamilyShape {
  readonly name: string;
  /** The HELP and TYPE lines. */
  readonly header: Buffer;
  /** What stands before each number, with the space. */
  readonly lines: readonly Buffer[];
  /** Whether it moves on every scrape, however many numbers it has; false if left out. */
  readonly isRestless?: boolean;
  /** Its first numbers, from `numbers[at]` on. */
  start(numbers: Float64Array, at: number, random: () => number): void;
  move(numbers: Float64Array, at: number, step: Step): void;
}

/** How numbers get from one scrape to another. */
export interface Step {
  readonly random: () => number;
  /** Since the family was moved last. */
  readonly elapsedMs: number;
}

export type LabelPairs = readonly (readonly [string, string])[];

export interface FamilyHead {
  readonly name: string;
  readonly type: "gauge" | "counter" | "summary";
  readonly help: string;
}

export interface Row {
  /** `_sum` and the like. */
  readonly suffix?: string;
  readonly labels: LabelPairs;
  readonly motion: Motion;
}

/** A family whose numbers move on their own. */
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
        numbers[column] = motion.next(numbers[column] as number, random, elapsedMs); // its columns are there
        column++;
      }
    },
  };
}

const BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/** Of one action: the bounds, `+Inf`, `_sum` and `_count`. */
const COLUMNS = BOUNDS.length + 3;
const CALLS_MAX = 3;

/** A histogram of how long calls took, per action; what was observed shows in all columns at once. */
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

/** One call of up to 1,024 ms, short ones being more likely. */
function observe(numbers: Float64Array, first: number, random: () => number): void {
  const ms = Math.round(2 ** (10 * random() * random()) * 10) / 10;
  const add = (column: number, amount: number): void => {
    numbers[first + column] = (numbers[first + column] as number) + amount; // an action has all columns
  };
  for (const [column, bound] of BOUNDS.entries()) if (ms <= bound) add(column, 1);
  add(BOUNDS.length, 1);
  add(BOUNDS.length + 1, ms);
  add(BOUNDS.length + 2, 1);
}

/** A family of one row per item of each thing, whose numbers hang together thing by thing. */
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
