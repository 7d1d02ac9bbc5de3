// SPDX-License-Identifier: Apache-2.0
import type { Counter } from "@opentelemetry/api";
import type { Settings } from "../../component/component.ts";
import type { Conflict } from "./conflict.ts";

/** The least time between two log lines about conflicts, since every page finds the same ones again. */
const LOG_INTERVAL_MS = 60_000;
/** The most family names in one log line. */
const NAMES_LOGGED_MAX = 5;

/** The texts by which one exporter reports its conflicts. */
export interface ConflictTexts {
  /** The name of the counter of conflicts. */
  readonly metric: string;
  /** The description of the counter. */
  readonly description: string;
  /** The text of the log line that names some conflicts. */
  readonly message: string;
}

/** Counts the conflicts of one exporter, and names some of them in the log. */
export class ConflictLog {
  readonly #settings: Settings;
  readonly #texts: ConflictTexts;
  readonly #counter: Counter;
  readonly #counts = new Map<Conflict["reason"], number>();
  readonly #names = new Set<string>();
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings, texts: ConflictTexts) {
    this.#settings = settings;
    this.#texts = texts;
    const { description } = texts;
    this.#counter = settings.meter.createCounter(texts.metric, { unit: "{conflict}", description });
  }

  /** Notes a conflict for the next call of `report`. */
  add({ reason, name }: Conflict): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    if (this.#names.size < NAMES_LOGGED_MAX) this.#names.add(`${name} (${reason})`);
  }

  /** Counts and logs the conflicts that were added since the last report. */
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
      logger.warn({ count: sum, names: [...this.#names] }, this.#texts.message);
    }
    this.#counts.clear();
    this.#names.clear();
  }
}
