// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../kit/free_port.ts";
import { type AgentProcess, pullReader, spawnAgent } from "../kit/node/agent_process.ts";
import { poll } from "../kit/poll.ts";
import { type Counters, readCounters } from "./counters.ts";

/** The part of a configuration that scenarios give; `spawnWatchedAgent` adds the telemetry. */
export interface AgentConfig {
  readonly extensions?: Readonly<Record<string, unknown>>;
  readonly receivers: Readonly<Record<string, unknown>>;
  readonly processors?: Readonly<Record<string, unknown>>;
  readonly exporters: Readonly<Record<string, unknown>>;
  readonly service: {
    readonly extensions?: readonly string[];
    readonly shutdown_timeout?: string;
    readonly pipelines: Readonly<Record<string, unknown>>;
  };
}

/** A process of the agent whose counters can be read and whose configuration can be changed. */
export interface WatchedAgent extends AgentProcess {
  counters(): Promise<Counters>;
  /** Writes another configuration into its file; the caller tells the agent to read it. */
  rewrite(config: AgentConfig): Promise<void>;
  /** Writes this text into the file of its configuration. */
  rewriteText(text: string): Promise<void>;
}

/** Node's cache of compiled code, which makes the many starts of agents faster. */
const COMPILED = mkdtempSync(join(tmpdir(), "compiled-"));
process.on("exit", () => rmSync(COMPILED, { recursive: true, force: true }));

/** Starts an agent and returns at once: it may be killed before it has read a line. */
export async function spawnWatchedAgent(
  config: AgentConfig,
  configPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<WatchedAgent> {
  const port = await freePort();
  const withTelemetry = (plain: AgentConfig): string => {
    const telemetry = { logs: { encoding: "json" }, metrics: { readers: [pullReader(port)] } };
    return JSON.stringify({ ...plain, service: { ...plain.service, telemetry } });
  };
  await writeFile(configPath, withTelemetry(config));
  const agent = spawnAgent(["run", "--config", configPath], {
    env: { ...env, NODE_COMPILE_CACHE: COMPILED },
  });
  return {
    ...agent,
    configPath,
    counters: () => readCounters(`127.0.0.1:${port}`),
    rewrite: (changed) => writeFile(configPath, withTelemetry(changed)),
    rewriteText: (text) => writeFile(configPath, text),
  };
}

/** Waits until an exporter's queue is empty, and until two looks in a row find the same counters. */
export async function untilQueueIsEmpty(
  agent: WatchedAgent,
  exporter: string,
  limitMs = 300_000,
): Promise<Counters> {
  let before = "";
  return await poll(
    `${exporter} to have nothing left to send`,
    async () => {
      const counters = await agent.counters();
      const own = counters.exporters.get(exporter);
      const state = JSON.stringify(own);
      const isEmpty = own !== undefined && own.queueSize === 0 && own.inFlight === 0 && state === before;
      before = state;
      return isEmpty ? counters : undefined;
    },
    limitMs,
  );
}
