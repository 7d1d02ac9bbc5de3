// SPDX-License-Identifier: Apache-2.0
/** How a number begins, and how it moves on from one scrape to the next. One serves the same number of all sandboxes. */
export interface Motion {
  first(random: () => number): number;
  /** The number `elapsedMs` after it was moved last. */
  next(value: number, random: () => number, elapsedMs: number): number;
}

/** What does not change while a process lives: a version, a limit, a start time. */
export function fixed(value: number): Motion {
  return { first: () => value, next: () => value };
}

export interface CounterOptions {
  /** Where it surely begins, such as an instant; 0 unless given. */
  readonly from?: number;
  /** What it has counted beyond that when it is first seen, on average; 0 unless given. */
  readonly start?: number;
  /** Per move, on average; below 1 the number often stands still. */
  readonly growth: number;
  /** The number is a multiple of 1 / `parts`; 1 unless given. */
  readonly parts?: number;
}

/** Never falls. */
export function counter({ from = 0, start = 0, growth, parts = 1 }: CounterOptions): Motion {
  return {
    first: (random) => Math.floor((from + 2 * start * random()) * parts) / parts,
    next: (value, random) =>
      (Math.round(value * parts) + Math.floor(2 * growth * parts * random() + random())) / parts,
  };
}

/** Counts so many events a second on average, in whole numbers; it begins with those of the first minute. */
export function perSecond(rate: number): Motion {
  return {
    first: (random) => eventsWithin(60_000, rate, random),
    next: (value, random, elapsedMs) => value + eventsWithin(elapsedMs, rate, random),
  };
}

/** A whole number of events, within a fifth of what the rate says. */
export function eventsWithin(elapsedMs: number, rate: number, random: () => number): number {
  return Math.floor((elapsedMs / 1_000) * rate * (0.8 + 0.4 * random()) + random());
}

export interface GaugeOptions {
  readonly around: number;
  /** The number is a multiple of it, such as a page of memory; 1 unless given. */
  readonly quantum?: number;
  /** How far the number goes from `around`, as a part of it; a fifth unless given. */
  readonly spread?: number;
}

/** Goes up and down. */
export function gauge({ around, quantum = 1, spread = 0.2 }: GaugeOptions): Motion {
  const draw = (random: () => number): number =>
    Math.round((around * (1 - spread + 2 * spread * random())) / quantum) * quantum;
  return { first: draw, next: (_value, random) => draw(random) };
}

/** Counts the scrapes, provided that its family moves on each of them. */
export const EVERY_TIME: Motion = { first: () => 0, next: (value) => value + 1 };

/** Zero, but for a while now and then. More than half of a real page is such numbers. */
export const SELDOM: Motion = {
  first: () => 0,
  next: (value, random) => (random() < 1 / 64 ? Math.floor(random() * 8) : value),
};

/** Counts what does not happen. */
export const NEVER: Motion = { first: () => 0, next: (value) => value };

/** Counts what happens now and then. */
export const RARELY: Motion = counter({ growth: 1 / 64 });
