// SPDX-License-Identifier: Apache-2.0
import type { Counter } from "@opentelemetry/api";
import type { Settings } from "../../component/component.ts";
import type { Conflict } from "../page/contenders.ts";

/** Every page finds a conflict again; it is logged at most so often. */
const LOG_INTERVAL_MS = 60_000;
/** Names of families in one log line. */
const NAMES_LOGGED_MAX = 5;

export interface ConflictWords {
  /** The counter's name and description. */
  readonly metric: string;
  readonly description: string;
  /** The log line. */
  readonly message: string;
}

/** Counts what cannot be shown as its source has it, and names some of it in the log. */
export class Conflicts {
  readonly #settings: Settings;
  readonly #words: ConflictWords;
  readonly #counter: Counter;
  readonly #counts = new Map<Conflict["reason"], number>();
  readonly #names = new Set<string>();
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings, words: ConflictWords) {
    this.#settings = settings;
    this.#words = words;
    const { description } = words;
    this.#counter = settings.meter.createCounter(words.metric, { unit: "{conflict}", description });
  }

  add({ reason, name }: Conflict): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    if (this.#names.size < NAMES_LOGGED_MAX) this.#names.add(`${name} (${reason})`);
  }

  /** Hands on what was added since the last time. */
  report(): void {
    if (this.#counts.size === 0) return;
    const { id, clock, logger } = this.#settings;
    let sum = 0;
    for (const [reason, count] of this.#counts) {
      this.#counter.add(count, { exporter: id, reason });
      sum += count;
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#loggedMs >= LOG_INTERVAL_MS) {
      this.#loggedMs = nowMs;
      logger.warn({ count: sum, names: [...this.#names] }, this.#words.message);
    }
    this.#counts.clear();
    this.#names.clear();
  }
}
