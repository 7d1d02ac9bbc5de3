// SPDX-License-Identifier: Apache-2.0
/** The part of `process` by which signals are heard. */
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

/** Takes all meaningless signals from now on, and does nothing at them. */
export function ignoreSignals(source: SignalSource): void {
  for (const signal of MEANINGLESS) source.on(signal, () => {});
}

/** After the first of them the process ends by itself. */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"];

/** Aborts at the first SIGINT or SIGTERM, with its name as the reason; `onSecond` is called at each further one. */
export function stopSignal(source: SignalSource, onSecond: () => void): AbortSignal {
  const stop = new AbortController();
  for (const signal of STOP_SIGNALS) {
    source.on(signal, () => {
      if (stop.signal.aborted) onSecond();
      stop.abort(signal);
    });
  }
  return stop.signal;
}

/** Takes SIGHUP from now on; who listens later hears of one that came before. */
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
