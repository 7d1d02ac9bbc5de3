// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Ledger } from "./ledger.ts";

/**
 * Something that ends a life of the agent, or of a sandbox in its eyes, other than in peace: what was being scraped or
 * encoded at that time was never accepted. One reading of each sandbox at most, since a shim has one scrape at a time.
 */
export interface Interruption {
  readonly fromMs: number;
  readonly toMs: number;
  /** The sandboxes that it comes upon; all of them if left out. */
  readonly sandboxIds?: readonly string[];
}

export interface Evidence {
  /** What came to the destination. */
  readonly received: Ledger;
  /** What was seen in the queue's segments after crashes. */
  readonly onDisk?: Ledger;
  readonly interruptions: readonly Interruption[];
  /** By sandbox: how often its guest had been asked in the end, where that is known and all of it must have come. */
  readonly servedCounts?: ReadonlyMap<string, number>;
  /** Sandboxes whose readings need not have come. */
  readonly leftOut?: readonly string[];
}

export interface Verdict {
  readonly received: number;
  readonly unique: number;
  readonly duplicates: number;
  /** Points that were on disk at some crash. */
  readonly onDisk: number;
  /** Of these, points that never came. */
  readonly missing: number;
  /** Readings that were scraped, and that an interruption came upon before they were accepted. */
  readonly neverAccepted: number;
  readonly neverAcceptedAtOnceMax: number;
  /** Readings that lack and that no interruption explains, in words. */
  readonly unexplained: readonly string[];
}

/** Compares what was accepted with what came, and looks for holes in what each guest counted. */
export function judge(evidence: Evidence): Verdict {
  const {
    received,
    onDisk,
    interruptions,
    servedCounts = new Map<string, number>(),
    leftOut = [],
  } = evidence;
  let neverAccepted = 0;
  let neverAcceptedAtOnceMax = 0;
  const unexplained: string[] = [];
  for (const id of new Set([...received.sandboxIds, ...servedCounts.keys()])) {
    if (leftOut.includes(id)) continue;
    const counted = [{ timeMs: 0, guestCount: 0 }, ...received.countedOf(id)];
    const served = servedCounts.get(id);
    if (served !== undefined) counted.push({ timeMs: Number.POSITIVE_INFINITY, guestCount: served + 1 });
    for (const [index, after] of counted.entries()) {
      const before = counted[index - 1];
      if (before === undefined) continue;
      const hole = after.guestCount - before.guestCount - 1;
      if (hole === 0) continue;
      const within = interruptions.filter(
        ({ fromMs, toMs, sandboxIds = [id] }) =>
          toMs >= before.timeMs && fromMs <= after.timeMs && sandboxIds.includes(id),
      );
      if (hole > 0 && hole <= within.length) {
        neverAccepted += hole;
        neverAcceptedAtOnceMax = Math.max(neverAcceptedAtOnceMax, Math.ceil(hole / within.length));
      } else
        unexplained.push(
          `sandbox "${id.slice(0, 8)}": ${after.guestCount} at ${after.timeMs} came after ${before.guestCount} ` +
            `at ${before.timeMs}, with ${within.length} interruptions between`,
        );
    }
  }
  const { points, unique, duplicates } = received;
  return {
    received: points,
    unique,
    duplicates,
    onDisk: onDisk?.unique ?? 0,
    missing: onDisk?.missingIn(received) ?? 0,
    neverAccepted,
    neverAcceptedAtOnceMax,
    unexplained,
  };
}

/** The verdict as lines of a report. */
export function describeVerdict(verdict: Verdict): string {
  const { received, unique, duplicates, onDisk, missing, neverAccepted, unexplained } = verdict;
  return [
    `points received ${received}, of them ${duplicates} again, ${unique} different ones`,
    `points on disk at some interruption ${onDisk}, of them never received ${missing}`,
    `readings scraped but never accepted ${neverAccepted} (at most ${verdict.neverAcceptedAtOnceMax} of a sandbox at an interruption)`,
    `readings accepted and missing ${unexplained.length}`,
  ].join("\n");
}

/** Fails unless everything that was accepted came. */
export function assertNothingLost(verdict: Verdict): void {
  assert.equal(verdict.missing, 0, "every point that was on disk is received");
  assert.deepEqual(verdict.unexplained, [], "what guests counted has no hole that no interruption explains");
  assert.ok(verdict.unique > 0, "something was received");
}
