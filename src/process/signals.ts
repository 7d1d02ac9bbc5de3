// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../clock/clock.ts";

/** The part of `process` that tells of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
}

/**
 * Signals that mean nothing to the agent. By default SIGUSR1 opens Node's debugger and the others end the process; a
 * program in Go, such as the Collector, ignores all of them. SIGPIPE and SIGXFSZ are ignored by Node itself.
 */
const MEANINGLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGXCPU",
] as const satisfies readonly NodeJS.Signals[];

/** Ignores the signals of `MEANINGLESS` from now on. */
export function ignoreSignals(source: SignalSource): void {
  for (const signal of MEANINGLESS) source.on(signal, () => {});
}

/** The signals that stop the program. */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"];

/**
 * A signal that comes again within this time is the same one: npm passes on the SIGINT of Ctrl-C, which the terminal has
 * sent to the program already. Nobody presses a key twice in this time.
 */
const ECHO_MS = 150;

/**
 * Returns a signal that aborts at the first SIGINT or SIGTERM, with its name as the reason. Calls `onSecond` at each later
 * one. `nowMs` is a monotonic clock.
 */
export function stopSignal(
  source: SignalSource,
  onSecond: () => void,
  nowMs: () => number = systemClock.monotonicMs,
): AbortSignal {
  const stop = new AbortController();
  let last = { signal: "", atMs: 0 };
  for (const signal of STOP_SIGNALS) {
    source.on(signal, () => {
      const isEcho = signal === last.signal && nowMs() - last.atMs < ECHO_MS;
      last = { signal, atMs: nowMs() };
      if (isEcho) return;
      if (stop.signal.aborted) onSecond();
      stop.abort(signal);
    });
  }
  return stop.signal;
}

/**
 * Keeps SIGHUP from ending the process from now on. Returns a function that sets the listener for SIGHUP. If a SIGHUP
 * has come before, that function calls the listener at once.
 */
export function hangups(source: SignalSource): (listener: () => void) => void {
  let heard = false;
  let tell = (): void => {
    heard = true;
  };
  source.on("SIGHUP", () => tell());
  return (listener) => {
    tell = listener;
    if (heard) listener();
  };
}
