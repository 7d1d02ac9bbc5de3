// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Ledger } from "./ledger.ts";

/**
 * A time in which the agent was killed, or lost sight of a sandbox: a reading that was being scraped or encoded then was
 * never accepted. That is at most one reading of each sandbox, since a shim has one scrape at a time.
 */
export interface Interruption {
  readonly fromMs: number;
  readonly toMs: number;
  /** The sandboxes that are concerned; all of them if left out. */
  readonly sandboxIds?: readonly string[];
}

export interface Evidence {
  /** The points that the destination received. */
  readonly received: Ledger;
  /** The points that were found in the queue's segments after crashes. */
  readonly onDisk?: Ledger;
  readonly interruptions: readonly Interruption[];
  /** The final count of each sandbox's guest, where it is known and all readings must have been received. */
  readonly servedCounts?: ReadonlyMap<string, number>;
  /** The sandboxes whose readings may be missing. */
  readonly leftOut?: readonly string[];
}

export interface Verdict {
  readonly received: number;
  readonly unique: number;
  readonly duplicates: number;
  /** The number of points that were on disk after some crash. */
  readonly onDisk: number;
  /** The number of these that were never received. */
  readonly missing: number;
  /** The number of readings that were scraped and then lost to an interruption before they were accepted. */
  readonly neverAccepted: number;
  readonly neverAcceptedAtOnceMax: number;
  /** Descriptions of the readings that are missing and that no interruption explains. */
  readonly unexplained: readonly string[];
}

/** Compares what was accepted with what was received, and looks for gaps in each guest's count. */
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

/** Writes the verdict as the lines of a report. */
export function describeVerdict(verdict: Verdict): string {
  const { received, unique, duplicates, onDisk, missing, neverAccepted, unexplained } = verdict;
  return [
    `points received ${received}, of them ${duplicates} again, ${unique} different ones`,
    `points on disk at some interruption ${onDisk}, of them never received ${missing}`,
    `readings scraped but never accepted ${neverAccepted} (at most ${verdict.neverAcceptedAtOnceMax} of a sandbox at an interruption)`,
    `readings accepted and missing ${unexplained.length}`,
  ].join("\n");
}

/** Fails unless everything that was accepted has been received. */
export function assertNothingLost(verdict: Verdict): void {
  assert.equal(verdict.missing, 0, "every point that was on disk is received");
  assert.deepEqual(verdict.unexplained, [], "what guests counted has no hole that no interruption explains");
  assert.ok(verdict.unique > 0, "something was received");
}
