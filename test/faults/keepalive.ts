// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import type { AgentConfig } from "./watched_agent.ts";

const execFileAsync = promisify(execFile);
const SOURCE = join(import.meta.dirname, "keepalive_server");
/** The number of requests that each server must get. They take over half a minute, in which 3 pings would be too many. */
const SHORT_REQUESTS = { usual: 12, hung: 3 };
const LONG_REQUESTS = { usual: 80, hung: 8 };
const LIMIT_MS = 1_800_000;

/** An event at a server, with one of these fields. */
interface ServerEvent {
  readonly port?: number;
  readonly request?: boolean;
  readonly ping?: boolean;
  /** The text of a GOAWAY that the server sent. */
  readonly goAway?: string;
}

interface GoServer {
  /** `127.0.0.1:port` */
  readonly endpoint: string;
  readonly events: readonly ServerEvent[];
  close(): Promise<void>;
}

async function startGoServer(program: string, delay: string): Promise<GoServer> {
  const child = spawn(program, ["-delay", delay], { stdio: ["pipe", "pipe", "inherit"] });
  const events: ServerEvent[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => events.push(JSON.parse(line)));
  const port = await poll("the server to listen", () => events[0]?.port);
  return {
    endpoint: `127.0.0.1:${port}`,
    events,
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

/** The servers, by the names of the exporters that push to them. */
type Servers = Readonly<Record<"usual" | "hung" | "eager", GoServer>>;

function configOf(scene: Scene, { usual, hung, eager }: Servers): AgentConfig {
  const tls = { insecure: true };
  const exporters = {
    // These have no option `keepalive`, as most users' exporters.
    "otlp_grpc/usual": { endpoint: usual.endpoint, tls },
    "otlp_grpc/hung": { endpoint: hung.endpoint, tls },
    "otlp_grpc/eager": { endpoint: eager.endpoint, tls, timeout: "30s", keepalive: { time: "1s" } },
  };
  const pipelines = { metrics: { receivers: ["kata"], exporters: Object.keys(exporters) } };
  const receiver = { ...scene.receiver(), collection_interval: "3s" };
  return { receivers: { kata: receiver }, exporters, service: { pipelines } };
}

function pingsAt({ events }: GoServer): number {
  return events.filter((event) => event.ping === true).length;
}

function requestsAt({ events }: GoServer): number {
  return events.filter((event) => event.request === true).length;
}

/** Returns the text of each GOAWAY that the server sent. */
function goodbyesOf({ events }: GoServer): string[] {
  return events.map(({ goAway = "" }) => goAway).filter((words) => words !== "");
}

/** Fails where the server closes a connection of the default configuration. The "eager" exporter shows that it would. */
async function ping(scene: Scene, servers: Servers, requests: typeof SHORT_REQUESTS): Promise<string> {
  const { usual, hung, eager } = servers;
  const agent = await scene.start(configOf(scene, servers));
  await poll(
    "the connection of the eager exporter to be closed",
    () => goodbyesOf(eager).length > 0 || undefined,
    LIMIT_MS,
  );
  for (const name of ["usual", "hung"] as const)
    await poll(
      `requests to ${name}`,
      () => requestsAt(servers[name]) >= requests[name] || undefined,
      LIMIT_MS,
    );
  assert.deepEqual(goodbyesOf(usual), [], "the default configuration does not ping too often");
  assert.deepEqual(goodbyesOf(hung), [], "it does not, either, for a server that answers too late");
  assert.ok(goodbyesOf(eager).includes("too_many_pings"), goodbyesOf(eager).join());
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  const counts = Object.entries(servers).map(
    ([name, server]) =>
      `${name}: ${requestsAt(server)} requests, ${pingsAt(server)} pings, disconnected ${goodbyesOf(server).length} times`,
  );
  return counts.join("\n");
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    const program = join(scene.dir, "keepalive_server");
    // Not synchronously: other scenarios have their simulators in this process, and Go may take half a minute.
    await execFileAsync("go", ["build", "-o", program, "."], { cwd: SOURCE });
    const servers = {
      usual: await startGoServer(program, "2s"),
      // It answers no request in time, so that no answer resets its count of pings.
      hung: await startGoServer(program, "20s"),
      eager: await startGoServer(program, "20s"),
    };
    try {
      print(await ping(scene, servers, long ? LONG_REQUESTS : SHORT_REQUESTS));
    } finally {
      for (const server of Object.values(servers)) await server.close();
    }
  } finally {
    await scene.close();
  }
}

export const keepalive: Scenario = {
  name: "keepalive",
  summary: "a grpc-go server with its own rules about pings, which the default configuration obeys",
  lacks: () => (hasProgram("go", "version") ? undefined : "Go"),
  run,
};
