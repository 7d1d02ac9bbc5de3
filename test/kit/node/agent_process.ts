// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../poll.ts";
import { type CliProcess, type Finished, startCli } from "./cli_process.ts";

/** A process of the agent, from its start to its end. */
export interface AgentProcess extends CliProcess {
  /** The file of its configuration; empty where the test has given the arguments itself. */
  readonly configPath: string;
  hasEnded(): boolean;
  /** Waits until the agent says that it is ready. Rejects where the process ends before. */
  ready(): Promise<void>;
  /** Sends the signal, which is SIGTERM if left out, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

export interface AgentOptions {
  /** The program; the one of the checkout if left out. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called when the process has ended; `finished` waits for it. */
  atEnd?(): Promise<void>;
}

/** Starts the agent with these arguments and returns at once: it may be killed before it has read a line. */
export function spawnAgent(args: readonly string[], options: AgentOptions = {}): AgentProcess {
  const agent = startCli(args, options.env, options.main);
  const finished = agent.finished.finally(() => options.atEnd?.());
  let hasEnded = false;
  void finished.then(() => {
    hasEnded = true;
  });
  return {
    ...agent,
    configPath: "",
    finished,
    hasEnded: () => hasEnded,
    async ready() {
      await poll("the agent to be ready", () => {
        if (hasEnded) throw new Error(`the agent ended before it was ready:\n${agent.stderr()}`);
        return agent.stderr().includes("Everything is ready") ? true : undefined;
      });
    },
    stop(signal = "SIGTERM") {
      agent.kill(signal);
      return finished;
    },
  };
}

/** Starts the agent with these arguments, and waits until it says that it is ready. */
export async function startAgentWith(args: readonly string[], options?: AgentOptions): Promise<AgentProcess> {
  const agent = spawnAgent(args, options);
  await agent.ready();
  return agent;
}

/** Starts `run` with a configuration given as an object, and waits until the agent says that it is ready. */
export async function startAgentProcess(config: unknown, main?: string): Promise<AgentProcess> {
  const folder = await mkdtemp(join(tmpdir(), "agent-"));
  const configPath = join(folder, "config.yaml");
  await writeFile(configPath, JSON.stringify(config));
  const agent = await startAgentWith(["run", "--config", configPath], {
    ...(main === undefined ? {} : { main }),
    atEnd: () => rm(folder, { recursive: true, force: true }),
  });
  return { ...agent, configPath };
}

/** A reader of the agent's own metrics that serves them on 127.0.0.1, for `service::telemetry::metrics::readers`. */
export function pullReader(port: number): object {
  return { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
}
