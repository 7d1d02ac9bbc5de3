import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BUILT_MAIN, startAgentProcess, startCli } from "../e2e/agent_process.ts";
import { hasProgram } from "../e2e/peers.ts";
import { poll } from "../e2e/poll.ts";
import { processCpuMs } from "./agent.ts";
import type { Front } from "./vmagent_front.ts";
import type { Received } from "./vmagent_sink.ts";

/** What it costs to scrape a node's pages and push them by remote write, from the socket to the wire. */
export interface VmagentRow {
  readonly "": string;
  readonly "CPU µs / 1,000 samples": string;
  readonly "RSS MB": string;
  readonly "bytes / sample": string;
  /** From a sample's time to its arrival. */
  readonly "latency median ms": string;
  readonly "99 % ms": string;
}

const SANDBOXES = 100;
const INTERVAL_S = 5;
const WARM_UP_S = 30;
const WINDOW_S = 30;

/** The agent and vmagent, one after the other, on the same pages, both with their defaults. */
export async function benchVmagent(): Promise<readonly VmagentRow[]> {
  const dir = await mkdtemp(join(tmpdir(), "bench-"));
  const root = join(dir, "run/vc/sbs");
  const simulator = startCli(["simulate", "--dir", dir, "--sandboxes", String(SANDBOXES), "--flavor", "go"]);
  const sink = fork(join(import.meta.dirname, "vmagent_sink.ts"));
  try {
    const [{ port }] = (await once(sink, "message")) as [{ port: number }];
    const url = `http://127.0.0.1:${port}/api/v1/write`;
    await poll("the simulator", () => simulator.stdout().includes("are served") || undefined, 120_000);
    const rows = [await measureAgent(root, { sink, url })];
    if (hasProgram("vmagent", "-version")) rows.push(await measureVmagent(root, { sink, url, dir }));
    else console.log("vmagent is left out: it is in Debian's package victoria-metrics");
    return rows;
  } finally {
    sink.disconnect();
    simulator.kill("SIGTERM");
    await simulator.finished;
    await rm(dir, { recursive: true, force: true });
  }
}

interface Destination {
  readonly sink: ChildProcess;
  readonly url: string;
}

async function measureAgent(root: string, { sink, url }: Destination): Promise<VmagentRow> {
  const agent = await startAgentProcess(
    {
      receivers: { kata: { roots: [root], collection_interval: `${INTERVAL_S}s` } },
      exporters: { prometheus_remote_write: { endpoint: url } },
      service: {
        telemetry: { metrics: { level: "none" } },
        pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus_remote_write"] } },
      },
    },
    BUILT_MAIN,
  );
  try {
    return await measure("kata-collector, sockets", agent.pid, sink);
  } finally {
    await agent.stop();
  }
}

/** It knows no unix sockets, so it scrapes a process that asks them; that one's CPU is not counted. */
async function measureVmagent(
  root: string,
  { sink, url, dir }: Destination & { dir: string },
): Promise<VmagentRow> {
  const front = fork(join(import.meta.dirname, "vmagent_front.ts"), [root]);
  const [{ port, ids }] = (await once(front, "message")) as [Front];
  const targets = ids.map((id) => ({
    job_name: id,
    metrics_path: `/${id}`,
    static_configs: [{ targets: [`127.0.0.1:${port}`] }],
  }));
  const config = join(dir, "scrape.yaml");
  await writeFile(
    config,
    JSON.stringify({ global: { scrape_interval: `${INTERVAL_S}s` }, scrape_configs: targets }),
  );
  const vmagent = spawn(
    "vmagent",
    [
      ...[`-promscrape.config=${config}`, `-remoteWrite.url=${url}`, "-httpListenAddr=127.0.0.1:0"],
      ...[`-remoteWrite.tmpDataPath=${join(dir, "vmagent")}`],
    ],
    { stdio: "ignore" },
  );
  const ended = once(vmagent, "close");
  try {
    return await measure("vmagent, TCP", vmagent.pid ?? -1, sink);
  } finally {
    vmagent.kill("SIGTERM");
    await ended;
    front.disconnect();
  }
}

async function measure(name: string, pid: number, sink: ChildProcess): Promise<VmagentRow> {
  await sleep(WARM_UP_S * 1_000);
  await received(sink);
  const before = await processCpuMs(pid);
  await sleep(WINDOW_S * 1_000);
  const cpuMs = (await processCpuMs(pid)) - before;
  const { samples, bytes, latenciesMs } = await received(sink);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const sorted = latenciesMs.toSorted((one, other) => one - other);
  const quantile = (share: number): string => String(sorted[Math.floor(share * (sorted.length - 1))] ?? "–");
  return {
    "": name,
    "CPU µs / 1,000 samples": ((cpuMs * 1e6) / samples).toFixed(0),
    "RSS MB": (Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_024).toFixed(0),
    "bytes / sample": (bytes / samples).toFixed(1),
    "latency median ms": quantile(0.5),
    "99 % ms": quantile(0.99),
  };
}

async function received(sink: ChildProcess): Promise<Received> {
  sink.send("received");
  const [answer] = (await once(sink, "message")) as [Received];
  return answer;
}
