// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../kit/free_port.ts";
import { startAgentProcess } from "../kit/node/agent_process.ts";

/** A process that scrapes and pushes. */
export interface Scraper {
  readonly pid: number;
  stop(): Promise<void>;
}

/** The targets to scrape and the place to push to: the same for all processes that are compared. */
export interface PeerTask {
  /** The root of the sandboxes' directories. */
  readonly root: string;
  /** The TCP port of each sandbox's page. */
  readonly pagePorts: readonly number[];
  /** A folder for files of the processes. The caller removes it. */
  readonly dir: string;
  readonly intervalS: number;
  readonly sink: { readonly http: number; readonly grpc: number };
}

type PushExporter = "prometheus_remote_write" | "otlp_grpc" | "otlp_http";

/** Starts the built agent, which scrapes the sandboxes' unix sockets. */
export async function startAgent(task: PeerTask, exporter: PushExporter, main: string): Promise<Scraper> {
  const agent = await startAgentProcess(agentConfig(task, exporter), main);
  return {
    pid: agent.pid,
    stop: async () => {
      await agent.stop();
    },
  };
}

function agentConfig({ root, intervalS, sink }: PeerTask, exporter: PushExporter): unknown {
  const endpoints: Readonly<Record<PushExporter, string>> = {
    prometheus_remote_write: `http://127.0.0.1:${sink.http}/api/v1/write`,
    otlp_grpc: `http://127.0.0.1:${sink.grpc}`,
    otlp_http: `http://127.0.0.1:${sink.http}`,
  };
  return {
    receivers: { kata: { roots: [root], collection_interval: `${intervalS}s` } },
    exporters: { [exporter]: { endpoint: endpoints[exporter] } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: { metrics: { receivers: ["kata"], exporters: [exporter] } },
    },
  };
}

/** Starts VictoriaMetrics' scraper, which pushes remote write. */
export async function startVmagent(task: PeerTask): Promise<Scraper> {
  const config = join(task.dir, "vmagent.yaml");
  await writeFile(config, JSON.stringify(prometheusConfig(task)));
  return startPeer("vmagent", [
    `-promscrape.config=${config}`,
    `-remoteWrite.url=http://127.0.0.1:${task.sink.http}/api/v1/write`,
    `-remoteWrite.tmpDataPath=${join(task.dir, "vmagent")}`,
    `-httpListenAddr=127.0.0.1:${await freePort()}`,
  ]);
}

/** Starts an OpenTelemetry Collector, which scrapes with the receiver `prometheus`; the exporter `otlp` is gRPC. */
export async function startCollector(
  task: PeerTask,
  program: string,
  exporter: "otlp" | "otlphttp",
): Promise<Scraper> {
  const config = join(task.dir, `${exporter}.yaml`);
  await writeFile(config, JSON.stringify(collectorConfig(task, exporter)));
  return startPeer(program, ["--config", config]);
}

function collectorConfig(task: PeerTask, exporter: "otlp" | "otlphttp"): unknown {
  const { grpc, http } = task.sink;
  const options =
    exporter === "otlp"
      ? { endpoint: `127.0.0.1:${grpc}`, tls: { insecure: true } }
      : { endpoint: `http://127.0.0.1:${http}` };
  return {
    receivers: { prometheus: { config: prometheusConfig(task) } },
    exporters: { [exporter]: options },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: { metrics: { receivers: ["prometheus"], exporters: [exporter] } },
    },
  };
}

function prometheusConfig({ pagePorts, intervalS }: PeerTask): unknown {
  const targets = pagePorts.map((port) => `127.0.0.1:${port}`);
  return {
    global: { scrape_interval: `${intervalS}s`, scrape_timeout: `${Math.min(10, intervalS)}s` },
    scrape_configs: [{ job_name: "kata", static_configs: [{ targets }] }],
  };
}

function startPeer(program: string, args: readonly string[]): Scraper {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr = (stderr + String(chunk)).slice(-4_096);
  });
  let isStopped = false;
  const ended = once(child, "close").then(() => {
    if (!isStopped) console.error(`${program} ended before it was stopped: ${stderr}`);
  });
  return {
    pid: child.pid ?? -1,
    stop() {
      isStopped = true;
      child.kill("SIGTERM");
      return ended;
    },
  };
}
