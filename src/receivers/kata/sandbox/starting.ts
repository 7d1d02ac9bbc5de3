// SPDX-License-Identifier: Apache-2.0
import type { Witnesses } from "../../../kata/witnesses.ts";
import { isStarting } from "./condition.ts";
import type { Sandbox } from "./sandbox.ts";

/** A pod's start takes less than this; a directory without a pod may wait for a socket for ever. */
const WAIT_MS_MAX = 60_000;

/** The time after which a code means a fault, for a sandbox that has not answered since it was found. */
const START_MS_MAX: Readonly<Record<string, number>> = {
  // A shim that starts refuses connections for a moment.
  refused: 10_000,
  // The file that proves the runtime may not be written yet.
  unproved: WAIT_MS_MAX,
};

/** Returns whether the sandbox may just be starting, so that nobody needs to do anything about it yet. */
export function mayBeStarting({ condition, answers, foundAt }: Sandbox, nowMs: number): boolean {
  if (isStarting(condition)) return true;
  const maxMs = answers.lastMs === undefined ? (START_MS_MAX[condition.code] ?? 0) : 0;
  return nowMs - foundAt.monotonicMs < maxMs;
}

/** Returns whether the sandbox has been pending for longer than a pod's start takes while the runtime lists it. */
export function isStuckPending({ found, condition }: Sandbox, nowMs: number, witnesses: Witnesses): boolean {
  const { state, since } = condition;
  return (
    state === "pending" && nowMs - since.monotonicMs > WAIT_MS_MAX && witnesses.isListed(found.id) === true
  );
}
