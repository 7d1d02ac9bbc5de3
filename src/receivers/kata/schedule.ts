// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Clock } from "../../clock/clock.ts";
import type { Standing } from "./standing.ts";

/** The longest pause after scrapes that were broken off. */
const PAUSE_MS_MAX = 300_000;

/** Looks for what a new sandbox still lacks, which a pod's start waits for. */
const LOOK_MS = 200;
/** Later, and for ever: a socket may come after minutes, and is to be scraped within a second. */
const LATE_LOOK_MS = 900;
const NEW_MS = 10_000;
/**
 * Between two looks at any of those that wait for a socket: 500 a second, so that thousands of empty directories cost
 * little. New ones are looked at eight times as often, since they are the ones whose socket comes.
 */
const LATE_SPACING_MS = 2;
const NEW_SPACING_MS = 0.25;

export interface VisitTime {
  readonly nowMs: number;
  readonly intervalMs: number;
  /** Of the sandbox, as `phaseOf` gives it. */
  readonly phase: number;
  /** How long the sandbox is known. */
  readonly ageMs: number;
  /** How many sandboxes wait for their socket, this one among them. */
  readonly waiting: number;
}

/** How long a sandbox is not asked after so many scrapes in a row were broken off: two intervals, doubled each time. */
export function pauseMs(breakOffs: number, intervalMs: number): number {
  return Math.max(intervalMs, Math.min(PAUSE_MS_MAX, intervalMs * 2 ** breakOffs));
}

/**
 * How long to wait until the sandbox is visited again. Scrapes of one sandbox keep a phase that its id decides, so that
 * a node's sandboxes spread over the interval.
 */
export function nextVisitMs({ state, refusals, nextScrape }: Standing, time: VisitTime): number {
  if (nextScrape !== undefined) return Math.max(0, nextScrape.monotonicMs - time.nowMs);
  if (state === "pending") return untilLook(time);
  const tickMs = untilTick(time);
  // A shim that is starting refuses for a moment; one that has gone refuses for good.
  return state === "stale" ? Math.min(tickMs, LOOK_MS * 2 ** (refusals - 1)) : tickMs;
}

function untilLook({ ageMs, waiting }: VisitTime): number {
  return ageMs < NEW_MS
    ? Math.max(LOOK_MS, waiting * NEW_SPACING_MS)
    : Math.max(LATE_LOOK_MS, waiting * LATE_SPACING_MS);
}

function untilTick({ nowMs, phase, intervalMs }: VisitTime): number {
  const ms = (phase * intervalMs - (nowMs % intervalMs) + intervalMs) % intervalMs;
  // Two scrapes less than half an interval apart say nothing new; the tick after is soon enough.
  return ms < intervalMs / 2 ? ms + intervalMs : ms;
}

/**
 * Scrapes of one slot of the interval run together: a scrape among others costs less than half of one that finds the
 * processor asleep and its caches cold (measured: 0.43 against 1.1 ms of CPU).
 */
const SLOTS = 16;

/** Of an id: its slot of the interval, as a number from 0 to 1, the same on every run. */
export function phaseOf(id: string): number {
  return (createHash("sha256").update(id).digest().readUInt32LE() % SLOTS) / SLOTS;
}

/** Runs the job once per interval until the returned function is called. */
export function every(clock: Clock, intervalMs: number, job: () => void): () => void {
  let cancel: () => void;
  const next = (): void => {
    cancel = clock.after(intervalMs, () => {
      next();
      job();
    });
  };
  next();
  return () => cancel();
}

/** A job that takes longer than this gives its place to the next one and goes on beside it. */
const SLOW_MS = 1_000;
/** So many times the limit may go on beside it; then the slow ones hold their places. */
const SLOW_FACTOR = 8;

export interface LanesOptions<T> {
  readonly clock: Clock;
  /** Jobs at a time, not counting slow ones. */
  readonly limit: number;
  /** Makes what a job works with; up to `limit` of them are kept for the next jobs. */
  make(): T;
}

/**
 * Runs jobs in the order in which they came, a limited number at a time. Slow ones leave the count after a second, so
 * that a node with a hundred hung shims scrapes the others as ever.
 */
export class Lanes<T> {
  readonly #options: LanesOptions<T>;
  readonly #idle: T[] = [];
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #slow = 0;

  constructor(options: LanesOptions<T>) {
    this.#options = options;
  }

  /** Waits for its turn and runs the job. Rejects with what the job rejects with. */
  async run<R>(job: (tool: T) => Promise<R>): Promise<R> {
    const { clock, limit, make } = this.#options;
    if (this.#running < limit) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let slow = false;
    const cancel = clock.after(SLOW_MS, () => {
      if (this.#slow >= limit * SLOW_FACTOR) return;
      slow = true;
      this.#slow++;
      this.#passOn();
    });
    const tool = this.#idle.pop() ?? make();
    try {
      return await job(tool);
    } finally {
      cancel();
      if (this.#idle.length < limit) this.#idle.push(tool);
      if (slow) this.#slow--;
      else this.#passOn();
    }
  }

  /** The place goes to the next in the line, or is free. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
