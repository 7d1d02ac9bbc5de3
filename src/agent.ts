import type { Writable } from "node:stream";
import type { Logger } from "pino";
import { systemClock } from "./clock/clock.ts";
import type { BuildInfo, Settings } from "./component/component.ts";
import type { AgentConfig } from "./config/load.ts";
import { Interner } from "./metrics/interner.ts";
import { buildGraph, type ComponentKind, type Graph, shutdownGraph, startGraph } from "./pipeline/graph.ts";
import { createHost } from "./pipeline/host.ts";
import { processorCounters } from "./pipeline/observe.ts";
import { createLogger } from "./telemetry/logs.ts";
import { type OwnMetrics, startOwnMetrics } from "./telemetry/own_metrics.ts";
import type { ProcessUsage } from "./telemetry/process_metrics.ts";

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly build: BuildInfo;
  /** Where `service::telemetry::logs` goes. */
  readonly logOutput: Writable;
  readonly usage: ProcessUsage;
}

/** A shutdown that ignores its deadline is given this long, then left behind. */
const OVERRUN_MS = 1_000;

/** One configuration at work: its own telemetry, and the graph of its components. */
export class Agent {
  readonly logger: Logger;
  readonly #options: AgentOptions;
  #metrics: OwnMetrics | undefined;
  #graph: Graph | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.logger = createLogger(options.config.service.telemetry.logs, options.logOutput);
  }

  /** Rejects when something cannot start, naming it; `shutdown` then stops what has started. */
  async start(): Promise<void> {
    const { config, build, usage } = this.#options;
    const { telemetry } = config.service;
    const version = build.version;
    this.logger.info({ version }, `Starting ${build.command}...`);
    this.#metrics = await startOwnMetrics({
      telemetry,
      build,
      usage,
      logger: this.logger,
      clock: systemClock,
    });
    const { meter } = this.#metrics;
    const interner = new Interner();
    const host = createHost();
    const settings = (kind: ComponentKind, id: string, pipeline?: string): Settings => {
      const fields = { "otelcol.component.id": id, "otelcol.component.kind": kind };
      const logger = this.logger.child(
        pipeline === undefined ? fields : { ...fields, "otelcol.pipeline.id": pipeline },
      );
      return { id, logger, meter, clock: systemClock, interner, host, build };
    };
    this.#graph = buildGraph(config, { settings, counters: processorCounters(meter) });
    await startGraph(this.#graph);
    this.logger.info("Everything is ready. Begin running and processing data.");
  }

  /** Drains and stops within `shutdown_timeout`. Resolves to whether everything stopped as it should. */
  async shutdown(): Promise<boolean> {
    const { shutdownTimeoutMs } = this.#options.config.service;
    this.logger.info("Starting shutdown...");
    const deadline = AbortSignal.timeout(shutdownTimeoutMs);
    const stop = async (): Promise<boolean> => {
      const failures = this.#graph === undefined ? [] : await shutdownGraph(this.#graph, deadline);
      for (const error of failures) this.logger.error({ error }, "Component failed to shut down.");
      await this.#metrics?.shutdown();
      return failures.length === 0;
    };
    const overrun = new Promise<false>((resolve) => {
      setTimeout(() => {
        this.logger.error(
          { shutdownTimeoutMs },
          "Shutdown ran over its deadline; what still works is left behind.",
        );
        resolve(false);
      }, shutdownTimeoutMs + OVERRUN_MS).unref();
    });
    const clean = await Promise.race([stop(), overrun]);
    this.logger.info("Shutdown complete.");
    return clean;
  }
}
