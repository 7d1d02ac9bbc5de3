// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { freePort } from "../kit/free_port.ts";
import { pullReader } from "../kit/node/agent_process.ts";
import { nodeFlags } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";
import { testFolder } from "../kit/test_folder.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

export interface BareOptions {
  /** A shell script that starts the agent by "$@", to set descriptors, limits and the umask; `exec "$@"` if left out. */
  readonly shell?: string;
  readonly stdio?: StdioOptions;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The options of Node; those in the program's first line if left out. */
  readonly nodeArgs?: readonly string[];
  readonly encoding?: "json" | "console";
  /** Called as soon as the process has been started. */
  onSpawn?(child: ChildProcess): void;
  /** Changes the config before the agent starts. */
  configure?(config: BareConfig): void;
}

export interface BareConfig {
  receivers: Record<string, unknown>;
  exporters: Record<string, unknown>;
  extensions: Record<string, unknown>;
  service: { extensions: string[]; telemetry: unknown; pipelines: { metrics: Record<string, string[]> } };
}

/** An agent with the test's own descriptors and environment. The test sees only its answers over HTTP. */
export interface BareAgent {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly folder: string;
  /** Returns whether the agent answers `/live` with 200. */
  isLive(): Promise<boolean>;
  /** Returns the sum of the agent's own counter over the series whose labels contain the text. */
  counter(name: string, label?: string): Promise<number>;
  /** The exit code and the signal of the process. */
  readonly ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
  stop(): Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
}

/** Starts an agent and waits until it is live. A script in `shell` must `exec "$@"`, so that the child is the agent. */
export async function startBareAgent(context: TestContext, options: BareOptions = {}): Promise<BareAgent> {
  const folder = testFolder(context);
  const [health, metrics, page] = [await freePort(), await freePort(), await freePort()];
  const config: BareConfig = {
    receivers: { kata: { roots: [join(folder, "sbs")] } },
    exporters: { prometheus: { endpoint: `127.0.0.1:${page}` } },
    extensions: { health_check: { endpoint: `127.0.0.1:${health}` } },
    service: {
      extensions: ["health_check"],
      telemetry: {
        logs: { encoding: options.encoding ?? "json" },
        metrics: { readers: [pullReader(metrics)] },
      },
      pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus"] } },
    },
  };
  options.configure?.(config);
  const path = join(folder, "config.yaml");
  writeFileSync(path, JSON.stringify(config));
  const child = startBare(["run", "--config", path], options);
  options.onSpawn?.(child);
  const ended = once(child, "exit").then(([code, signal]) => [code, signal] as const);
  context.after(() => child.kill("SIGKILL"));
  const get = async (port: number, what: string): Promise<string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${port}${what}`).catch(() => undefined);
    return response?.ok === true ? await response.text() : undefined;
  };
  const isLive = async (): Promise<boolean> => (await get(health, "/live")) !== undefined;
  await poll("the agent to be live", async () => {
    if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}`);
    return (await isLive()) || undefined;
  });
  return {
    child,
    pid: child.pid ?? -1,
    folder,
    isLive,
    async counter(name, label = "") {
      const lines = (await get(metrics, "/metrics"))?.split("\n") ?? [];
      return lines
        .filter((line) => line.startsWith(`${name}_total{`) && line.includes(label))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    },
    ended,
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** Starts the program. Its output is discarded unless `stdio` says otherwise. */
export function startBare(args: readonly string[], options: BareOptions = {}): ChildProcess {
  const { shell = 'exec "$@"', stdio = ["ignore", "ignore", "ignore"], env, cwd } = options;
  const node = [process.execPath, ...(options.nodeArgs ?? nodeFlags(MAIN)), MAIN, ...args];
  return spawn("sh", ["-c", shell, "sh", ...node], {
    stdio,
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Returns the addresses at which the process listens, such as `tcp 0100007F:1F9A` and `unix /path`. */
export function listenersOf(pid: number): readonly string[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const found: string[] = [];
  for (const table of ["tcp", "tcp6"])
    for (const row of rowsOf(`/proc/${pid}/net/${table}`))
      if (row[3] === "0A" && inodes.has(row[9] ?? "")) found.push(`${table} ${row[1]}`);
  for (const row of rowsOf(`/proc/${pid}/net/unix`))
    if (row[3] === "00010000" && inodes.has(row[6] ?? "")) found.push(`unix ${row[7]}`);
  return found.sort();
}

/** Returns the target of a link; empty for a descriptor that has been closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function rowsOf(path: string): string[][] {
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
}

/** Returns whether the process handles or ignores the signal with this number. */
export function catches(pid: number, signal: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const masks = [...status.matchAll(/^Sig(?:Ign|Cgt):\t([0-9a-f]+)$/gm)].map(([, mask]) =>
    BigInt(`0x${mask}`),
  );
  return masks.some((mask) => ((mask >> BigInt(signal - 1)) & 1n) === 1n);
}
