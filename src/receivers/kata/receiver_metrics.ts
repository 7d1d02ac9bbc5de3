// SPDX-License-Identifier: Apache-2.0
import type { Counter } from "@opentelemetry/api";
import type { Settings } from "../../component/component.ts";
import type { NoRoom } from "../../component/consumer.ts";
import { observed } from "../../reporting/observed.ts";
import { type SandboxState, STATES } from "./sandbox/sandbox_state.ts";
import type { ScrapeFault } from "./scraping/scrape.ts";

/** The receiver's own metrics. If the Collector's receivers have the same metric, it is named as theirs. */
export class ReceiverMetrics {
  readonly #id: string;
  readonly #accepted: Counter;
  readonly #scraped: Counter;
  readonly #errored: Counter;
  readonly #scrapes: Counter;
  readonly #skipped: Counter;
  readonly #leftOut: Counter;
  readonly #handedBy: { readonly receiver: string; readonly transport: "unix" };
  readonly #scrapedBy: { readonly receiver: string; readonly scraper: "shim" };
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#id = settings.id;
    this.#handedBy = { receiver: settings.id, transport: "unix" };
    this.#scrapedBy = { receiver: settings.id, scraper: "shim" };
    const counter = (name: string, description: string, unit = "{datapoint}"): Counter =>
      settings.meter.createCounter(name, { unit, description });
    this.#accepted = counter(
      "otelcol_receiver_accepted_metric_points",
      "Number of metric points successfully pushed into the pipeline.",
    );
    this.#scraped = counter(
      "otelcol_scraper_scraped_metric_points",
      "Number of metric points successfully scraped.",
    );
    this.#errored = counter(
      "otelcol_scraper_errored_metric_points",
      "Number of metric points that were unable to be scraped; a scrape that failed counts as one.",
    );
    this.#scrapes = counter("kata_collector_scrapes", "Scrapes of sandboxes by outcome.", "{scrape}");
    this.#skipped = counter(
      "kata_collector_scrapes_skipped",
      "Scrapes that were due and not made since the pipeline had no room, by reason.",
      "{scrape}",
    );
    this.#leftOut = counter(
      "kata_collector_left_out_lines",
      "Lines of shims' pages that were left out, by reason.",
      "{line}",
    );
  }

  accepted(points: number): void {
    this.#accepted.add(points, this.#handedBy);
  }

  skipped(reason: NoRoom): void {
    this.#skipped.add(1, { receiver: this.#id, reason });
  }

  scraped(points: number): void {
    this.#scraped.add(points, this.#scrapedBy);
    this.#scrapes.add(1, { receiver: this.#id, outcome: "ok" });
  }

  leftOut(reasons: ReadonlyMap<string, number>): void {
    for (const [reason, lines] of reasons)
      this.#leftOut.add(lines, { receiver: this.#id, reason: reason.replaceAll(/[^a-z0-9]+/gi, "_") });
  }

  failed(fault: ScrapeFault): void {
    // The number of points that were lost is not known, so a failed scrape counts as one.
    this.#errored.add(1, this.#scrapedBy);
    this.#scrapes.add(1, { receiver: this.#id, outcome: fault });
  }

  /** Reports the number of sandboxes in each state until the returned function is called. `states` has a state per sandbox. */
  observe(states: () => Iterable<SandboxState>): () => void {
    const gauge = this.#settings.meter.createObservableGauge("kata_collector_sandboxes", {
      unit: "{sandbox}",
      description: "Sandboxes by state.",
    });
    return observed(gauge, () => {
      const counts = new Map<SandboxState, number>();
      for (const state of states()) counts.set(state, (counts.get(state) ?? 0) + 1);
      return STATES.map((state) => [counts.get(state) ?? 0, { receiver: this.#id, state }]);
    });
  }
}
