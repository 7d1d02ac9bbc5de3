// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BUILT_MAIN } from "../kit/node/cli_process.ts";
import { hasProgram } from "../kit/peers.ts";
import { processCpuMs, residentMib } from "../kit/process_usage.ts";
import type { Arrived } from "./arrivals.ts";
import type { ArrivalsOrder } from "./arrivals_sink.ts";
import type { PageFront } from "./page_front.ts";
import { type PeerTask, type Scraper, startAgent, startCollector, startVmagent } from "./peer_processes.ts";
import { withSimulatedNode } from "./simulated_node.ts";
import type { SinkPorts } from "./sinks.ts";

/** The resources that a process needs to bring a node's pages to a receiver, and the delay of samples. */
export interface PeersRow {
  readonly "": string;
  /** The CPU time of the scraping process, user and system. */
  readonly "CPU µs / 1,000 samples": string;
  readonly "RSS MB": string;
  /** The size of the bodies as they are sent. */
  readonly "bytes / sample": string;
  readonly "samples / request": string;
  /** The samples that the receiver got for each scrape: the page's, and those that the scraper adds. */
  readonly "samples / scrape": string;
  /** The delay from a sample's time to the arrival of its request. */
  readonly "median ms": number;
  readonly "99 % ms": number;
  /** How long a sample may wait for others by default. */
  readonly gathers: string;
}

const SANDBOXES = 100;
const INTERVAL_S = 15;
/** In the first scrapes plans are made and code is compiled. */
const WARM_UP_S = 3 * INTERVAL_S;
/** A number of whole intervals, so that each process scrapes each sandbox equally often. */
const WINDOW_S = 4 * INTERVAL_S;

interface Peer {
  readonly name: string;
  readonly gathers: string;
  start(task: PeerTask): Promise<Scraper>;
}

/** Measures the processes one after the other, with the same pages, the same receiver and default options. */
export async function benchPeers(): Promise<readonly PeersRow[]> {
  const sink = fork(join(import.meta.dirname, "arrivals_sink.ts"));
  try {
    const ports = await firstMessage<SinkPorts>(sink);
    return await withSimulatedNode({ sandboxes: SANDBOXES }, (dir) => measureAll(dir, sink, ports));
  } finally {
    sink.disconnect();
  }
}

async function measureAll(dir: string, sink: ChildProcess, ports: SinkPorts): Promise<readonly PeersRow[]> {
  const root = join(dir, "run/vc/sbs");
  const front = fork(join(import.meta.dirname, "page_front.ts"), [root]);
  try {
    const { ports: pagePorts } = await firstMessage<PageFront>(front);
    const task = { root, pagePorts, dir, intervalS: INTERVAL_S, sink: ports };
    const rows: PeersRow[] = [];
    for (const peer of peersHere()) rows.push(await measure(peer, task, sink));
    return rows;
  } finally {
    front.disconnect();
  }
}

/** Returns the agent with each exporter, and the other programs that can be started here. */
function peersHere(): Peer[] {
  const agents = (["prometheus_remote_write", "otlp_grpc", "otlp_http"] as const).flatMap((exporter) =>
    builtHere().map(([build, main]) => ({
      name: `${build}, ${exporter}`,
      gathers: "200 ms",
      start: (task: PeerTask) => startAgent(task, exporter, main),
    })),
  );
  return [...agents, ...vmagentHere(), ...collectorHere()];
}

/** Returns this build, and an earlier one where BASELINE is the path of its `dist/main.js`. */
function builtHere(): readonly (readonly [name: string, main: string])[] {
  const baseline = process.env["BASELINE"] ?? "";
  return [["kata-collector", BUILT_MAIN], ...(baseline === "" ? [] : [["baseline", baseline] as const])];
}

function vmagentHere(): Peer[] {
  if (hasProgram("vmagent", "-version"))
    return [{ name: "vmagent, remote write", gathers: "1 s", start: startVmagent }];
  console.log("vmagent is left out: it is in Debian's package victoria-metrics");
  return [];
}

/** Returns the Collector where OTELCOL is its path, since no package of the tests' system has it. */
function collectorHere(): Peer[] {
  const program = process.env["OTELCOL"] ?? "";
  if (program !== "" && hasProgram(program))
    return (["otlp", "otlphttp"] as const).map((exporter) => ({
      name: `Collector, ${exporter}`,
      gathers: "one scrape",
      start: (task) => startCollector(task, program, exporter),
    }));
  console.log(
    "the Collector is left out: OTELCOL is to be the path of one with the receiver prometheus and the exporters otlp and otlphttp",
  );
  return [];
}

async function measure(
  { name, gathers, start }: Peer,
  task: PeerTask,
  sink: ChildProcess,
): Promise<PeersRow> {
  const scraper = await start(task);
  try {
    await sleep(WARM_UP_S * 1_000);
    tell(sink, "begin");
    const before = processCpuMs(scraper.pid);
    await sleep(WINDOW_S * 1_000);
    const cpuMs = processCpuMs(scraper.pid) - before;
    const rss = residentMib(scraper.pid);
    const arrived = firstMessage<Arrived>(sink);
    tell(sink, "end");
    const { samples, requests, bytes, latencyMedianMs, latencyP99Ms } = await arrived;
    return {
      "": name,
      "CPU µs / 1,000 samples": ((cpuMs * 1e6) / samples).toFixed(0),
      "RSS MB": rss.toFixed(0),
      "bytes / sample": (bytes / samples).toFixed(1),
      "samples / request": (samples / requests).toFixed(0),
      "samples / scrape": ((samples * INTERVAL_S) / (SANDBOXES * WINDOW_S)).toFixed(0),
      "median ms": latencyMedianMs,
      "99 % ms": latencyP99Ms,
      gathers,
    };
  } finally {
    await scraper.stop();
  }
}

function tell(sink: ChildProcess, order: ArrivalsOrder): void {
  sink.send(order);
}

async function firstMessage<T>(child: ChildProcess): Promise<T> {
  const waited = new AbortController();
  const ended = once(child, "exit", waited).then(() => {
    throw new Error(`${child.spawnargs.join(" ")} ended before it answered`);
  });
  try {
    const [message] = (await Promise.race([once(child, "message", waited), ended])) as [T];
    return message;
  } finally {
    waited.abort();
    ended.catch(() => {});
  }
}
