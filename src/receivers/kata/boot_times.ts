import { join } from "node:path";
import type { FoundSandbox } from "./discovery.ts";
import { statOf } from "./identity.ts";
import type { Moment } from "./moment.ts";
import { SOCKET_NAME } from "./readiness.ts";

/** How long a sandbox took to start; a part is undefined where the agent did not see it. */
export interface BootTimes {
  /** From the directory's birth to the socket's. */
  readonly socketMs: number | undefined;
  /** From the socket's birth to its shim's first answer. */
  readonly answerMs: number | undefined;
}

const UNSEEN: BootTimes = { socketMs: undefined, answerMs: undefined };

/** The clocks may differ by so much between two moments before they contradict each other. */
const DRIFT_MS_MAX = 1_000;

/**
 * The boot times of a sandbox that gives its first answer now. A sandbox that was there before the receiver began says
 * nothing: its first answer to this agent is not its first.
 */
export function bootTimes(
  { directory, identity }: FoundSandbox,
  times: {
    /** By the monotonic clock, as the receiver began. */
    readonly begunMs: number;
    readonly found: Moment;
    readonly answered: Moment;
  },
): BootTimes {
  const { begunMs, found, answered } = times;
  const ageMs = found.unixMs - identity.bornMs;
  if (ageMs < 0 || ageMs > found.monotonicMs - begunMs || contradict(found, answered)) return UNSEEN;
  const socketBornMs = bornMsOf(join(directory, SOCKET_NAME));
  if (socketBornMs === undefined) return UNSEEN;
  return {
    socketMs: forward(socketBornMs - identity.bornMs),
    answerMs: forward(answered.unixMs - socketBornMs),
  };
}

/** Undefined where nothing is there, or it cannot be looked at: the times are then left out. */
function bornMsOf(path: string): number | undefined {
  try {
    const stat = statOf(path);
    return stat && (stat.birthtimeMs > 0 ? stat.birthtimeMs : stat.ctimeMs);
  } catch {
    return undefined;
  }
}

/** Whether the clock that shows the time of day was set between the two. */
function contradict(one: Moment, other: Moment): boolean {
  const byDay = other.unixMs - one.unixMs;
  return Math.abs(byDay - (other.monotonicMs - one.monotonicMs)) > DRIFT_MS_MAX;
}

function forward(ms: number): number | undefined {
  return ms >= 0 ? ms : undefined;
}
