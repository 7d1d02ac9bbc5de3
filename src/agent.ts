// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import { createNoopMeter, type Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import { systemClock } from "./clock/clock.ts";
import type { BuildInfo, Settings } from "./component/component.ts";
import type { Host } from "./component/host.ts";
import type { ReloadControl } from "./component/reload.ts";
import type { ComponentKind } from "./component/status.ts";
import type { AgentConfig } from "./config/agent_config.ts";
import { Interner } from "./metrics/interner.ts";
import { Graph } from "./pipeline/graph.ts";
import { createHost } from "./pipeline/host.ts";
import { pipelineCounters } from "./pipeline/observe.ts";
import type { StatusBoard } from "./pipeline/statuses.ts";
import type { UsageSource } from "./process/usage_source.ts";
import { createLogger, LoggerFamily } from "./reporting/logs.ts";
import type { LogOutput } from "./reporting/process_log.ts";
import type { TelemetryConfig } from "./telemetry/config.ts";
import { type OwnMetrics, startOwnMetrics } from "./telemetry/own_metrics.ts";
import { observeLog } from "./telemetry/process_metrics.ts";
import { ConcealedTexts } from "./text/concealed.ts";
import { messageOf } from "./text/error_text.ts";

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly build: BuildInfo;
  /** The environment of the process, which names proxies. */
  readonly env: Settings["env"];
  /** Takes the log of the agent and its components. */
  readonly logOutput: LogOutput;
  /** The CPU time and the memory that the process uses. */
  readonly usage: UsageSource;
  /** Lets components ask for a reload. Left out if there is no configuration to read again. */
  readonly reload?: ReloadControl;
}

/** How many milliseconds beyond `shutdown_timeout` the agent waits for components that ignore the deadline. */
const OVERRUN_MS = 1_000;

/** Runs one configuration: its log, the agent's own metrics, and the graph of its components. */
export class Agent {
  readonly logger: Logger;
  readonly #options: AgentOptions;
  readonly #loggers: LoggerFamily;
  /**
   * The texts to conceal, from every configuration so far, because a component may log a value of an old configuration
   * after a reload.
   */
  readonly #concealed = new ConcealedTexts();
  #config: AgentConfig;
  #metrics: OwnMetrics | undefined;
  #graph: Graph | undefined;
  #statuses: StatusBoard | undefined;
  /** The last change of the graph. A shutdown waits for it. */
  #changing: Promise<void> = Promise.resolve();
  #isStopping = false;
  /** Aborts at the deadline of a shutdown, and ends a change that still runs. */
  readonly #overdue = new AbortController();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#concealed.addAll(options.config.concealed);
    const { logs } = options.config.service.telemetry;
    this.#loggers = new LoggerFamily(createLogger(logs, options.logOutput, this.#concealed));
    this.logger = this.#loggers.root;
    options.logOutput.attach(this.logger);
  }

  /** Makes instruments for the agent's own metrics. Instruments that are made before `start` do nothing. */
  get meter(): Meter {
    return this.#metrics?.meter ?? createNoopMeter();
  }

  /**
   * The components that go on with old files, such as certificates, because they cannot use the new ones; in words for the
   * user.
   */
  get outdated(): readonly string[] {
    return this.#statuses?.outdatedNow() ?? [];
  }

  /** Starts everything. Rejects with an error that names what cannot start; the caller then calls `shutdown`. */
  async start(): Promise<void> {
    const { build, usage, reload } = this.#options;
    const { telemetry } = this.#config.service;
    this.logger.info({ version: build.version }, `Starting ${build.command}...`);
    const host = createHost(systemClock, reload, this.#concealed);
    this.#statuses = host.statuses;
    this.#metrics = await startOwnMetrics({
      telemetry,
      build,
      usage,
      logger: this.logger,
      clock: systemClock,
      settingsOf: (meter) => this.#settingsOf(meter, host)("extension", "service::telemetry::metrics"),
    });
    const { meter } = this.#metrics;
    observeLog(meter, this.#options.logOutput);
    this.#graph = new Graph({
      clock: systemClock,
      settings: this.#settingsOf(meter, host),
      counters: pipelineCounters(meter),
      statuses: host.statuses,
      onError: (error) => this.logger.error({ error }, "Component failed to shut down."),
    });
    await this.#graph.change(this.#config, this.#deadline());
    this.logger.info("Everything is ready. Begin running and processing data.");
  }

  /**
   * Changes to another configuration. Components that are the same in both go on undisturbed. Rejects, in words for the user,
   * if the change is not possible; the old configuration is then in use again.
   */
  async change(config: AgentConfig): Promise<void> {
    this.#concealed.addAll(config.concealed);
    try {
      await this.#change(config);
    } catch (error) {
      const message = messageOf(error);
      throw new Error(this.#concealed.conceal(message), { cause: error });
    }
  }

  async #change(config: AgentConfig): Promise<void> {
    const { telemetry } = config.service;
    if (!isDeepStrictEqual(withoutLevel(telemetry), withoutLevel(this.#config.service.telemetry)))
      throw new Error("service::telemetry has changed in more than logs::level, which needs a restart");
    if (this.#graph === undefined) throw new Error("the agent has not started");
    if (this.#isStopping) throw new Error("the agent is stopping");
    this.#changing = this.#graph.change(config, AbortSignal.any([this.#deadline(), this.#overdue.signal]));
    await this.#changing;
    this.#config = config;
    this.#loggers.setLevel(telemetry.logs.level);
    const failures = await Promise.all([this.#graph.refresh(), this.#metrics?.refresh() ?? []]);
    for (const error of failures.flat())
      this.logger.error(
        { error: error.message },
        "Component could not read its files again; it goes on with the old.",
      );
  }

  /**
   * Lets components hand on the data that they hold, and stops everything within `shutdown_timeout`. Resolves to false
   * if something failed to stop.
   */
  async shutdown(): Promise<boolean> {
    const { shutdownTimeoutMs } = this.#config.service;
    this.#isStopping = true;
    this.logger.info("Starting shutdown...");
    const deadline = this.#deadline();
    const stop = async (): Promise<boolean> => {
      // A change that still runs gets the deadline of the shutdown, so that the wait for its end is bounded.
      deadline.addEventListener("abort", () => this.#overdue.abort(), { once: true });
      await this.#changing.catch(() => {});
      const clean = (await this.#graph?.shutdown(deadline)) ?? true;
      await this.#metrics?.shutdown();
      return clean;
    };
    const overrun = new Promise<false>((resolve) => {
      setTimeout(() => {
        this.logger.error(
          { shutdownTimeoutMs },
          "Shutdown ran over its deadline; components that still run are left behind.",
        );
        resolve(false);
      }, shutdownTimeoutMs + OVERRUN_MS).unref();
    });
    const clean = await Promise.race([stop(), overrun]);
    this.logger.info("Shutdown complete.");
    return clean;
  }

  #deadline(): AbortSignal {
    return AbortSignal.timeout(this.#config.service.shutdownTimeoutMs);
  }

  #settingsOf(meter: Settings["meter"], host: Host) {
    const interner = new Interner();
    const { build, env } = this.#options;
    return (kind: ComponentKind, id: string, pipeline?: string): Settings => {
      const fields = { "otelcol.component.id": id, "otelcol.component.kind": kind };
      const logger = this.#loggers.child(
        pipeline === undefined ? fields : { ...fields, "otelcol.pipeline.id": pipeline },
      );
      return { id, logger, meter, clock: systemClock, interner, host, build, env };
    };
  }
}

/** The part of `service::telemetry` that cannot change while the agent runs. */
function withoutLevel({ logs, ...rest }: TelemetryConfig): unknown {
  const { level: _, ...fixed } = logs;
  return { ...rest, logs: fixed };
}
