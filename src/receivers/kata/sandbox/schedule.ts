// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Condition } from "./condition.ts";

/** The least time between two visits to a new sandbox that is pending, because a pod's start is watched closely. */
const NEW_VISIT_MS = 200;
/**
 * The least time between two visits to an older sandbox, for as long as it is pending. Its socket may come after
 * minutes, and is to be scraped within a second.
 */
const LATE_VISIT_MS = 900;
/** A sandbox counts as new for this time after it was found. */
const NEW_MS = 10_000;
/**
 * If many older sandboxes wait for a socket, the time between two visits to any of them: 500 visits a second, so that
 * thousands of empty directories cost little.
 */
const LATE_SPACING_MS = 2;
/**
 * If many new sandboxes wait for a socket, the time between two visits to any of them: 4,000 visits a second, eight
 * times as many as for older ones, because a new sandbox is likely to get its socket.
 */
const NEW_SPACING_MS = 0.25;

/** The time of a visit, and what the time of the next one depends on. */
export interface VisitTime {
  readonly nowMs: number;
  readonly intervalMs: number;
  /** The sandbox's phase, as `phaseOf` gives it. */
  readonly phase: number;
  /** The time since the sandbox was found. */
  readonly ageMs: number;
  /** How many sandboxes wait for their socket, this one included. */
  readonly waiting: number;
}

/**
 * Returns how long to wait until the sandbox is visited again. Scrapes of one sandbox keep a phase that its id decides, so
 * that the scrapes of a node spread over the interval.
 */
export function nextVisitMs({ state, refusals, nextScrape }: Condition, time: VisitTime): number {
  if (nextScrape !== undefined) return Math.max(0, nextScrape.monotonicMs - time.nowMs);
  if (state === "pending") return untilPendingVisit(time);
  const tickMs = untilTick(time);
  // A starting shim refuses connections for a moment, a dead one for ever. So the time doubles with each refusal, up to
  // the next tick.
  return state === "stale" ? Math.min(tickMs, NEW_VISIT_MS * 2 ** (refusals - 1)) : tickMs;
}

function untilPendingVisit({ ageMs, waiting }: VisitTime): number {
  return ageMs < NEW_MS
    ? Math.max(NEW_VISIT_MS, waiting * NEW_SPACING_MS)
    : Math.max(LATE_VISIT_MS, waiting * LATE_SPACING_MS);
}

/** Returns the time to the sandbox's next tick, which is the point of each interval at which it is scraped. */
function untilTick({ nowMs, phase, intervalMs }: VisitTime): number {
  const ms = (phase * intervalMs - (nowMs % intervalMs) + intervalMs) % intervalMs;
  // Two scrapes less than half an interval apart show nothing new; the next tick is soon enough.
  return ms < intervalMs / 2 ? ms + intervalMs : ms;
}

/**
 * The number of slots in an interval. Scrapes of one slot run together: a scrape among others costs less than half of one
 * that finds the processor asleep and its caches cold (measured: 0.43 ms of CPU against 1.1 ms).
 */
const SLOTS = 16;

/** Returns the slot of the interval that an id decides, as a number from 0 to less than 1: the same on every run. */
export function phaseOf(id: string): number {
  return (createHash("sha256").update(id).digest().readUInt32LE() % SLOTS) / SLOTS;
}
