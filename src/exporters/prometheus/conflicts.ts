import type { Counter } from "@opentelemetry/api";
import type { Settings } from "../../component/component.ts";
import type { Conflict } from "../../prometheus/write_draft.ts";

/** Every pull finds a conflict again; it is logged at most so often. */
const LOG_INTERVAL_MS = 60_000;
/** Names of families in one log line. */
const NAMES_LOGGED_MAX = 5;

/** Counts what pages cannot show as their sources have it, and names some of it in the log. */
export class Conflicts {
  readonly #settings: Settings;
  readonly #counter: Counter;
  readonly #counts = new Map<Conflict["reason"], number>();
  readonly #names = new Set<string>();
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#counter = settings.meter.createCounter("otelcol_exporter_prometheus_conflicts", {
      unit: "{conflict}",
      description:
        "Families, series and labels that a page could not show as their sources have them: families once per pull, series and labels once per layout.",
    });
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
      logger.warn(
        { count: sum, names: [...this.#names] },
        "Metrics that collide are not on the page as their sources have them.",
      );
    }
    this.#counts.clear();
    this.#names.clear();
  }
}
