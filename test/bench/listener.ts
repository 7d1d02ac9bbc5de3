// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from "node:timers/promises";
import { type Crowd, floodOfConnections, floodOnConnections } from "../kit/crowd.ts";
import { freePort } from "../kit/free_port.ts";
import { startAgentProcess } from "../kit/node/agent_process.ts";
import { BUILT_MAIN } from "../kit/node/cli_process.ts";
import { processCpuMs } from "../kit/process_usage.ts";

/** The cost of one request, or of one connection with a single request. */
export interface ListenerRow {
  readonly request: string;
  readonly "requests/s": number;
  /** Processor time. */
  readonly "µs each": number;
}

const PER_SECOND = 1_000;
const WINDOW_MS = 5_000;
const CONNECTIONS = 20;

/** Measures an agent without sandboxes, whose page costs almost nothing compared with its request. */
export async function benchListener(): Promise<readonly ListenerRow[]> {
  const generous = await freePort();
  const usual = await freePort();
  const agent = await startAgentProcess(configOf(generous, usual), BUILT_MAIN);
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const flood = (port: number, request: string): Crowd =>
    floodOnConnections(
      { port, from: "127.0.0.2" },
      { perSecond: PER_SECOND, connections: CONNECTIONS, request },
    );
  const crowds: Readonly<Record<string, () => Crowd>> = {
    page: () => flood(generous, get("/metrics")),
    health: () => flood(generous, get("/live")),
    "unknown path": () => flood(generous, get("/x")),
    "refused by a rule": () => flood(generous, get(`/${"x".repeat(3_000)}`)),
    "past the rate": () => flood(usual, get("/x")),
    "a connection each": () =>
      floodOfConnections({ port: generous, from: "127.0.0.2" }, PER_SECOND, get("/live")),
    "silent connections": () => floodOfConnections({ port: usual, from: "127.0.0.2" }, PER_SECOND, ""),
  };
  const rows: ListenerRow[] = [];
  try {
    for (const [request, start] of Object.entries(crowds)) {
      const crowd = start();
      await sleep(1_000);
      const [cpuMs, count, startMs] = [processCpuMs(agent.pid), crowd.count, performance.now()];
      await sleep(WINDOW_MS);
      const done = crowd.count - count;
      rows.push({
        request,
        "requests/s": Math.round((done * 1_000) / (performance.now() - startMs)),
        "µs each": Math.round(((processCpuMs(agent.pid) - cpuMs) * 1_000) / done),
      });
      crowd.stop();
    }
  } finally {
    await agent.stop();
  }
  return rows;
}

function configOf(generous: number, usual: number): object {
  const limits = { requests_per_second: 1_000_000 };
  const endpoint = `127.0.0.1:${generous}`;
  return {
    receivers: { kata: { roots: [{ path: "/nowhere", runtime: "go" }] } },
    exporters: { prometheus: { endpoint, limits }, "prometheus/usual": { endpoint: `127.0.0.1:${usual}` } },
    extensions: { health_check: { endpoint, path: "/health" } },
    service: {
      telemetry: { metrics: { level: "none" } },
      extensions: ["health_check"],
      pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus", "prometheus/usual"] } },
    },
  };
}
