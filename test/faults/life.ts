// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CliProcess, type Finished, freePort, startCli } from "../kit/node/agent_process.ts";
import { poll } from "../kit/poll.ts";
import { type Counters, readCounters } from "./counters.ts";

/** What tests say about an agent; the rest is said here. */
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

/** One process of the agent, from its start to its end. */
export interface Life extends CliProcess {
  readonly configPath: string;
  /** Whether the process has ended. */
  readonly ended: boolean;
  /** Waits until the agent says that it runs; rejects where it ends before. */
  ready(): Promise<void>;
  counters(): Promise<Counters>;
  /** Writes the configuration anew, as changed; the agent is told by whoever calls. */
  rewrite(config: AgentConfig): Promise<void>;
  /** Writes bytes in its place. */
  rewriteText(text: string): Promise<void>;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Finished>;
}

/** Agents are started by the dozen here: what Node has compiled for one that ended in peace, the next one need not. */
const COMPILED = mkdtempSync(join(tmpdir(), "compiled-"));
process.on("exit", () => rmSync(COMPILED, { recursive: true, force: true }));

/** Spawns an agent and returns at once: it may be killed before it has read a line. */
export async function spawnAgent(
  config: AgentConfig,
  configPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Life> {
  const port = await freePort();
  const withTelemetry = (plain: AgentConfig): string => {
    const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
    const telemetry = { logs: { encoding: "json" }, metrics: { readers: [reader] } };
    return JSON.stringify({ ...plain, service: { ...plain.service, telemetry } });
  };
  await writeFile(configPath, withTelemetry(config));
  const agent = startCli(["run", "--config", configPath], { ...env, NODE_COMPILE_CACHE: COMPILED });
  let ended = false;
  void agent.finished.then(() => {
    ended = true;
  });
  return {
    ...agent,
    configPath,
    get ended() {
      return ended;
    },
    async ready() {
      await poll("the agent to be ready", () => {
        if (ended) throw new Error(`the agent ended before it was ready:\n${agent.stderr()}`);
        return agent.stderr().includes("Everything is ready") ? true : undefined;
      });
    },
    counters: () => readCounters(`127.0.0.1:${port}`),
    rewrite: (changed) => writeFile(configPath, withTelemetry(changed)),
    rewriteText: (text) => writeFile(configPath, text),
    end(signal) {
      agent.kill(signal);
      return agent.finished;
    },
  };
}

/** Waits until an exporter has nothing left to send, and has not for two looks in a row. */
export async function untilQueueIsEmpty(life: Life, exporter: string, limitMs = 60_000): Promise<Counters> {
  let before = "";
  return await poll(
    `${exporter} to have nothing left to send`,
    async () => {
      const counters = await life.counters();
      const own = counters.exporters.get(exporter);
      const state = JSON.stringify(own);
      const isEmpty = own !== undefined && own.queueSize === 0 && own.inFlight === 0 && state === before;
      before = state;
      return isEmpty ? counters : undefined;
    },
    limitMs,
  );
}
