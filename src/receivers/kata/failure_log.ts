import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";

export interface Failure {
  /** Whose it is: a sandbox's id, or a root. */
  readonly of: string;
  /** One of few words, by which failures are counted. */
  readonly fault: string;
  readonly text: string;
}

/** Of one message. */
interface Entry {
  lastMs: number;
  /** By fault, since the last line. */
  readonly counts: Map<string, number>;
  latest: Failure;
}

/** The same message is written at most this often, with how often it came meanwhile. */
const INTERVAL_MS = 60_000;

/** Keeps failures that come again and again from filling the log: one line per message and interval, with counts. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #messages = new Map<string, Entry>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Notes a failure; `message` is one of few constant sentences. */
  note(message: string, failure: Failure): void {
    this.#logger.debug(failure, message);
    const entry: Entry = this.#messages.get(message) ?? {
      lastMs: Number.NEGATIVE_INFINITY,
      counts: new Map(),
      latest: failure,
    };
    this.#messages.set(message, entry);
    entry.counts.set(failure.fault, (entry.counts.get(failure.fault) ?? 0) + 1);
    const nowMs = this.#clock.monotonicMs();
    entry.latest = failure;
    if (nowMs - entry.lastMs < INTERVAL_MS) return;
    entry.lastMs = nowMs;
    this.#write(message, entry);
  }

  /** Writes what has been held back. */
  flush(): void {
    for (const [message, entry] of this.#messages) if (entry.counts.size > 0) this.#write(message, entry);
  }

  #write(message: string, { counts, latest }: Entry): void {
    this.#logger.warn({ counts: Object.fromEntries(counts), latest }, message);
    counts.clear();
  }
}
