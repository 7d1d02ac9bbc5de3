// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { statOf } from "../discovery/directory_identity.ts";
import { type FoundSandbox, SOCKET_NAME } from "../discovery/found_sandbox.ts";
import type { Instant } from "./instant.ts";

/** The times that a sandbox took to start. A time is undefined if the agent did not see it, or if clocks contradict each other. */
export interface BootTimes {
  /** The time from the birth of the directory to the birth of the socket. */
  readonly socketMs: number | undefined;
  /** The time from the birth of the socket to the shim's first answer. */
  readonly answerMs: number | undefined;
}

/** The times at which a sandbox's files were made, in Unix milliseconds. */
export interface Births {
  readonly directoryMs: number;
  /** False if the file system knows no times of birth: `directoryMs` is then the directory's last change before it was found. */
  readonly isExact: boolean;
  readonly socketMs: number;
}

const UNSEEN: BootTimes = { socketMs: undefined, answerMs: undefined };

/**
 * If the clock of the time of day and the monotonic clock differ by more than this in the time between two instants,
 * they contradict each other.
 */
const DRIFT_MS_MAX = 1_000;

/**
 * The tolerance of comparisons with the times of files, which may lag behind by a tick of the kernel's clock. A tick is
 * at most 10 ms; this is twice as much.
 */
const LAG_MS_MAX = 20;

/**
 * Returns the times of a sandbox that gives its first answer now. For a sandbox that existed before the receiver began they
 * are undefined, since its shim may have answered before.
 */
export function bootTimes(
  births: Births | undefined,
  times: {
    /** When the receiver began, by the monotonic clock. */
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

/** Reads when the sandbox's files were made. Returns undefined if a file is gone or cannot be looked at. */
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

/** Returns whether the clock of the time of day was set between the two instants. */
function contradict(one: Instant, other: Instant): boolean {
  const byDay = other.unixMs - one.unixMs;
  return Math.abs(byDay - (other.monotonicMs - one.monotonicMs)) > DRIFT_MS_MAX;
}

/** Returns the duration, or undefined if it is negative. */
function forward(ms: number): number | undefined {
  return ms >= 0 ? ms : undefined;
}
