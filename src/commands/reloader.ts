// SPDX-License-Identifier: Apache-2.0

import type { Counter } from "@opentelemetry/api";
import type { Agent } from "../agent.ts";
import type { ReloadControl, ReloadOutcome, ReloadResult } from "../component/reload.ts";
import type { Catalog } from "../config/catalog.ts";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";
import { messageOf } from "../text/error_text.ts";

/** Reads an agent's configuration again when asked, and changes the agent to it. One reload runs at a time. */
export class Reloader implements ReloadControl {
  readonly #source: ConfigSource;
  readonly #catalog: Catalog;
  readonly #onLoaded: (tree: ConfigNode) => void;
  #agent: Agent | undefined;
  #counter: Counter | undefined;
  #running: Promise<ReloadResult> | undefined;
  #again = false;
  /** Whether a reload was asked for before the agent had started. */
  #early = false;
  /**
   * The last reload. Its `faults` say why its configuration is not in use; they are empty if the configuration is in
   * use.
   */
  #last: Omit<ReloadOutcome, "ok"> | undefined;

  /** `onLoaded` gets each configuration that has no fault. */
  constructor(source: ConfigSource, catalog: Catalog, onLoaded: (tree: ConfigNode) => void) {
    this.#source = source;
    this.#catalog = catalog;
    this.#onLoaded = onLoaded;
  }

  /**
   * The outcome of the last reload, with the faults that there are now: a certificate that the reload could not read
   * may have been read since, and another may have become unreadable.
   */
  get last(): ReloadOutcome | undefined {
    if (this.#last === undefined) return undefined;
    const faults = [...this.#last.faults, ...this.#outdated];
    return { ok: faults.length === 0, faults, atMs: this.#last.atMs };
  }

  get #outdated(): readonly string[] {
    return this.#agent?.outdated ?? [];
  }

  /** Sets the agent, which must have started. Runs a reload that was asked for earlier. */
  attach(agent: Agent): void {
    this.#agent = agent;
    const meter = agent.meter;
    this.#counter = meter.createCounter("kata_collector_config_reloads", {
      unit: "{reload}",
      description: "Reloads of the configuration by outcome.",
    });
    meter
      .createObservableGauge("kata_collector_config_last_reload_successful", {
        unit: "1",
        description:
          "Whether the configuration that was read last is the one in use, with the files that it names.",
      })
      .addCallback((result) => {
        const isCurrent = (this.#last?.faults.length ?? 0) === 0 && this.#outdated.length === 0;
        result.observe(isCurrent ? 1 : 0);
      });
    if (this.#early) void this.run();
  }

  /**
   * A call during a reload waits until that reload has ended, and gets the result of the next one, which reads later
   * changes too.
   */
  async run(): Promise<ReloadResult> {
    if (this.#running !== undefined) {
      this.#again = true;
      await this.#running;
      const { last } = this;
      if (!this.#again && this.#running === undefined && last !== undefined) return last;
    }
    this.#again = false;
    this.#running ??= this.#reload().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  async #reload(): Promise<ReloadResult> {
    const agent = this.#agent;
    this.#early = agent === undefined;
    if (agent === undefined) return { ok: false, faults: ["the agent has not started yet; it reloads then"] };
    const faults = await this.#change(agent);
    this.#last = { faults, atMs: Date.now() };
    const { outdated } = agent;
    const ok = faults.length === 0 && outdated.length === 0;
    this.#counter?.add(1, { outcome: ok ? "success" : "failure" });
    if (faults.length > 0)
      agent.logger.error({ faults }, "Configuration has faults; the old one stays in use.");
    else if (ok) agent.logger.info("Configuration was reloaded.");
    else
      agent.logger.error(
        { faults: outdated },
        "Configuration was reloaded, but not all files that it names; components go on with the old ones.",
      );
    return { ok, faults: [...faults, ...outdated] };
  }

  /**
   * Loads the configuration and changes the agent to it. Resolves to the faults because of which the agent keeps the
   * old configuration, or to an empty list if the agent has changed.
   */
  async #change(agent: Agent): Promise<readonly string[]> {
    const loaded = await loadConfig(this.#source, this.#catalog);
    if (!loaded.ok) return renderFaults(loaded.faults).trimEnd().split("\n");
    this.#onLoaded(loaded.tree);
    try {
      await agent.change(loaded.config);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  }
}
