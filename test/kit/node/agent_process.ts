// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../poll.ts";

const MAIN = join(import.meta.dirname, "../../../src/main.ts");
/** The program of the simulator, with the commands `simulate` and `demo`. */
export const SIMULATOR_MAIN: string = join(import.meta.dirname, "../../../src/simulator/main.ts");
/** What `npm run build` makes of it: what a node runs, without the cost of stripping types. */
export const BUILT_MAIN: string = join(import.meta.dirname, "../../../dist/main.js");

/** Linux gives ports above these to whoever connects: one of those may be taken again before it is used. */
const PORTS = { from: 10_240, to: 32_768 };

/** A port of the loopback address that was free a moment ago, and that nobody gets by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}

/** The flags that the file wants node to be started with, from its first line. */
export function nodeFlags(main: string): string[] {
  const [firstLine = ""] = readFileSync(main, "utf8").split("\n", 1);
  return firstLine.split(" ").filter((word) => word.startsWith("--"));
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** Starts `kata-collector` from the checkout as a user would; `main` may be the built one. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main: string = MAIN,
): CliProcess {
  const child: ChildProcess = spawn(process.execPath, [...nodeFlags(main), main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const finished = once(child, "close").then(
    ([code, signal]) => ({ code, signal, stdout, stderr }) as Finished,
  );
  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    finished,
  };
}

/** Runs `kata-collector` to its end. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return startCli(args, env).finished;
}

export interface AgentProcess extends CliProcess {
  /** What it was started with; empty where it was not one file. */
  readonly configPath: string;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<Finished>;
}

/** Starts `run` with a configuration given as an object, and waits until the agent says that it is ready. */
export async function startAgentProcess(config: unknown, main: string = MAIN): Promise<AgentProcess> {
  const folder = await mkdtemp(join(tmpdir(), "agent-"));
  const path = join(folder, "config.yaml");
  await writeFile(path, JSON.stringify(config));
  const removed = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const agent = await startAgentWith(["run", "--config", path], removed, main);
  return { ...agent, configPath: path };
}

/** Starts the agent with these arguments, and waits until it says that it is ready. */
export async function startAgentWith(
  args: readonly string[],
  atEnd: () => Promise<void> = () => Promise.resolve(),
  main: string = MAIN,
): Promise<AgentProcess> {
  const agent = startCli(args, {}, main);
  const finished = agent.finished.finally(atEnd);
  let ended = false;
  finished.then(() => {
    ended = true;
  });
  await poll("the agent to be ready", () => {
    if (ended) throw new Error(`the agent ended before it was ready:\n${agent.stderr()}`);
    return agent.stderr().includes("Everything is ready") ? true : undefined;
  });
  return {
    ...agent,
    configPath: "",
    finished,
    stop() {
      agent.kill("SIGTERM");
      return finished;
    },
  };
}
