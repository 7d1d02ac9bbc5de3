// SPDX-License-Identifier: Apache-2.0
/** How a number begins, and how it changes from one scrape to the next. The same motion is used for all sandboxes. */
export interface Motion {
  first(random: () => number): number;
  /** Returns the number `elapsedMs` milliseconds after it was changed last. */
  next(value: number, random: () => number, elapsedMs: number): number;
}

/** Makes a number that does not change while a process lives: a version, a limit, a start time. */
export function fixed(value: number): Motion {
  return { first: () => value, next: () => value };
}

export interface CounterOptions {
  /** The least first value, such as a point in time; 0 unless given. */
  readonly from?: number;
  /** By how much the first value is above `from`, on average; 0 unless given. */
  readonly start?: number;
  /** The growth per scrape, on average. Below 1, the number often stays the same. */
  readonly growth: number;
  /** The number is a multiple of 1 / `parts`; 1 unless given. */
  readonly parts?: number;
}

/** Makes a number that never falls. */
export function counter({ from = 0, start = 0, growth, parts = 1 }: CounterOptions): Motion {
  return {
    first: (random) => Math.floor((from + 2 * start * random()) * parts) / parts,
    next: (value, random) =>
      (Math.round(value * parts) + Math.floor(2 * growth * parts * random() + random())) / parts,
  };
}

/** Makes a counter of `rate` events a second on average. Its first value has the events of one minute. */
export function perSecond(rate: number): Motion {
  return {
    first: (random) => eventsWithin(60_000, rate, random),
    next: (value, random, elapsedMs) => value + eventsWithin(elapsedMs, rate, random),
  };
}

/** Returns how many events happen: `rate` a second, at most a fifth more or less, rounded up or down at random. */
export function eventsWithin(elapsedMs: number, rate: number, random: () => number): number {
  return Math.floor((elapsedMs / 1_000) * rate * (0.8 + 0.4 * random()) + random());
}

export interface GaugeOptions {
  readonly around: number;
  /** The number is a multiple of this, such as the size of a memory page; 1 unless given. */
  readonly quantum?: number;
  /** How far the number gets from `around`, as a share of it; 0.2 unless given. */
  readonly spread?: number;
}

/** Makes a number that goes up and down. */
export function gauge({ around, quantum = 1, spread = 0.2 }: GaugeOptions): Motion {
  const draw = (random: () => number): number =>
    Math.round((around * (1 - spread + 2 * spread * random())) / quantum) * quantum;
  return { first: draw, next: (_value, random) => draw(random) };
}

/** Counts the scrapes. Only for a family that changes on every scrape, since a family that rests would miss scrapes. */
export const EVERY_TIME: Motion = { first: () => 0, next: (value) => value + 1 };

/** A number that is zero most of the time, like more than half of the numbers on a real page. */
export const SELDOM: Motion = {
  first: () => 0,
  next: (value, random) => (random() < 1 / 64 ? Math.floor(random() * 8) : value),
};

/** Counts something that does not happen. */
export const NEVER: Motion = { first: () => 0, next: (value) => value };

/** Counts something that happens now and then. */
export const RARELY: Motion = counter({ growth: 1 / 64 });
