import type { Counter } from "@opentelemetry/api";
import type { Agent } from "../agent.ts";
import type { ReloadControl, ReloadOutcome, ReloadResult } from "../component/component.ts";
import type { Catalog } from "../config/catalog.ts";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";

/** Reads an agent's configuration again, as often as somebody asks, one time after the other. */
export class Reloader implements ReloadControl {
  readonly #source: ConfigSource;
  readonly #catalog: Catalog;
  readonly #onLoaded: (tree: ConfigNode) => void;
  #agent: Agent | undefined;
  #counter: Counter | undefined;
  #running: Promise<ReloadResult> | undefined;
  #again = false;
  /** Whether somebody asked before the agent had started. */
  #early = false;
  last: ReloadOutcome | undefined;

  /** `onLoaded` gets each configuration that has no fault. */
  constructor(source: ConfigSource, catalog: Catalog, onLoaded: (tree: ConfigNode) => void) {
    this.#source = source;
    this.#catalog = catalog;
    this.#onLoaded = onLoaded;
  }

  /** The agent that goes over to what is read. It must have started. */
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
        description: "Whether the configuration that was read last is the one at work.",
      })
      .addCallback((result) => result.observe((this.last?.ok ?? true) ? 1 : 0));
    if (this.#early) void this.run();
  }

  /** Who asks while a reload runs gets the next one, which sees what has changed since. */
  async run(): Promise<ReloadResult> {
    if (this.#running !== undefined) {
      this.#again = true;
      await this.#running;
      if (!this.#again && this.#running === undefined && this.last !== undefined) return this.last;
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
    const ok = faults.length === 0;
    this.last = { ok, faults, atMs: Date.now() };
    this.#counter?.add(1, { outcome: ok ? "success" : "failure" });
    if (ok) agent.logger.info("Configuration was reloaded.");
    else agent.logger.error({ faults }, "Configuration has faults; the old one stays at work.");
    return this.last;
  }

  /** Resolves to why the configuration stays as it was; to nothing where it does not. */
  async #change(agent: Agent): Promise<readonly string[]> {
    const loaded = await loadConfig(this.#source, this.#catalog);
    if (!loaded.ok) return renderFaults(loaded.faults).trimEnd().split("\n");
    this.#onLoaded(loaded.tree);
    try {
      await agent.change(loaded.config);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  }
}
