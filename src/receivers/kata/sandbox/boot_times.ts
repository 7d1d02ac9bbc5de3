// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { statOf } from "../discovery/directory_identity.ts";
import { type FoundSandbox, SOCKET_NAME } from "../discovery/found_sandbox.ts";
import type { Instant } from "./instant.ts";

/** How long a sandbox took to start; a part is undefined where the agent did not see it. */
export interface BootTimes {
  /** From the directory's birth to the socket's. */
  readonly socketMs: number | undefined;
  /** From the socket's birth to its shim's first answer. */
  readonly answerMs: number | undefined;
}

/** When a sandbox's files were made, in Unix milliseconds. */
export interface Births {
  readonly directoryMs: number;
  /** False where the file system knows no births: the directory's is then the time of its last change before it was found. */
  readonly isExact: boolean;
  readonly socketMs: number;
}

const UNSEEN: BootTimes = { socketMs: undefined, answerMs: undefined };

/** The clocks may differ by so much between two moments before they contradict each other. */
const DRIFT_MS_MAX = 1_000;

/** The clock of files ticks a hundred times a second or more often: their times may lag by a tick. */
const LAG_MS_MAX = 20;

/**
 * The boot times of a sandbox that gives its first answer now. A sandbox that was there before the receiver began says
 * nothing: its first answer to this agent is not its first.
 */
export function bootTimes(
  births: Births | undefined,
  times: {
    /** By the monotonic clock, as the receiver began. */
    readonly begunMs: number;
    readonly found: Instant;
    readonly answered: Instant;
  },
): BootTimes {
  const { begunMs, found, answered } = times;
  if (births === undefined || contradict(found, answered)) return UNSEEN;
  const ageMs = found.unixMs - births.directoryMs;
  if (ageMs < 0 || ageMs > found.monotonicMs - begunMs + LAG_MS_MAX) return UNSEEN;
  const isKnown = births.isExact || births.socketMs >= found.unixMs - LAG_MS_MAX;
  return {
    socketMs: isKnown ? forward(births.socketMs - births.directoryMs) : undefined,
    answerMs: forward(answered.unixMs - births.socketMs),
  };
}

/** Undefined where a file has gone or cannot be looked at: the times are then left out. */
export function birthsOf({ directory, identity }: FoundSandbox): Births | undefined {
  try {
    const [own, socket] = [statOf(directory), statOf(join(directory, SOCKET_NAME))];
    if (own === undefined || socket === undefined) return undefined;
    const socketMs = socket.birthtimeMs > 0 ? socket.birthtimeMs : socket.ctimeMs;
    return { directoryMs: identity.bornMs, isExact: own.birthtimeMs > 0, socketMs };
  } catch {
    return undefined;
  }
}

/** Whether the clock that shows the time of day was set between the two. */
function contradict(one: Instant, other: Instant): boolean {
  const byDay = other.unixMs - one.unixMs;
  return Math.abs(byDay - (other.monotonicMs - one.monotonicMs)) > DRIFT_MS_MAX;
}

function forward(ms: number): number | undefined {
  return ms >= 0 ? ms : undefined;
}
