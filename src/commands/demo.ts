import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Agent } from "../agent.ts";
import { readBuildInfo } from "../build_info.ts";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import { readConfigFile } from "../config/read_file.ts";
import { parseDuration } from "../config/values.ts";
import { registry } from "../registry.ts";
import { type Delivery, startOtlpSink } from "../simulator/otlp_sink.ts";
import { type SimulatedSandbox, startSimulator } from "../simulator/simulator.ts";
import type { Command } from "./command.ts";
import { stoppedOrAfter } from "./stopped.ts";

const USAGE = `Runs a simulated node and the agent on it, with config/demo.yaml.

Usage: kata-collector demo [--duration 1m] [--sandboxes 6] [--listen-address 127.0.0.1:8090]
`;

const CONFIG = fileURLToPath(new URL("../../config/demo.yaml", import.meta.url));
const REPORT_INTERVAL_MS = 5_000;

/** Shows the agent at work without a node: sandboxes come and go, the page and the pushes follow. */
export const demo: Command = async ({ args, env, stdout, stderr, usage, stop }) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      duration: { type: "string" },
      sandboxes: { type: "string", default: "6" },
      "listen-address": { type: "string", default: "127.0.0.1:8090" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    stdout.write(USAGE);
    return 0;
  }
  const limitMs = values.duration === undefined ? undefined : parseDuration(values.duration);
  if (values.duration !== undefined && limitMs === undefined) {
    throw new Error(`--duration must be a duration such as "30s", got "${values.duration}"`);
  }
  const sandboxes = Number(values.sandboxes);
  if (!Number.isInteger(sandboxes) || sandboxes < 0)
    throw new Error(`--sandboxes must be a whole number, got "${values.sandboxes}"`);
  const say = (text: string): void => {
    stdout.write(`${text}\n`);
  };

  const dir = await mkdtemp(join(tmpdir(), "kata-demo-"));
  const pushed = { requests: 0, resources: 0, points: 0, endedPoints: 0 };
  const sink = await startOtlpSink((delivery) => addDelivery(pushed, delivery));
  const simulator = await startSimulator({
    dir,
    sandboxes,
    flavor: "mixed",
    churnPerMinute: 6,
    bootDelayMs: 1_000,
  });
  simulator.events.on("added", (sandbox) => say(`+ ${describe(sandbox)}`));
  simulator.events.on("ended", (sandbox) => say(`- ${describe(sandbox)}`));
  try {
    const address = values["listen-address"];
    const variables = {
      ...env,
      KATA_COLLECTOR_DEMO_DIR: dir,
      KATA_COLLECTOR_DEMO_CRI: simulator.criEndpoint ?? "",
      KATA_COLLECTOR_DEMO_OTLP: sink.endpoint,
      KATA_COLLECTOR_DEMO_LISTEN_ADDRESS: address,
    };
    const loaded = await loadConfig(
      { uris: [CONFIG], sets: [], env: variables, readFile: readConfigFile },
      registry,
    );
    if (!loaded.ok) {
      stderr.write(renderFaults(loaded.faults));
      return 1;
    }
    const agent = new Agent({ config: loaded.config, build: readBuildInfo(), logOutput: stderr, usage, env });
    try {
      await agent.start();
      for (const sandbox of simulator.sandboxes.values()) say(`+ ${describe(sandbox)}`);
      say(introduction(address, dir));
      const report = setInterval(() => say(describePush(pushed)), REPORT_INTERVAL_MS);
      await stoppedOrAfter(stop, limitMs);
      clearInterval(report);
    } finally {
      await agent.shutdown();
    }
    say(`${describePush(pushed)}; the demo is over`);
    return 0;
  } finally {
    simulator.events.removeAllListeners();
    await simulator.close();
    sink.close();
    await rm(dir, { recursive: true, force: true });
  }
};

function introduction(address: string, dir: string): string {
  return `
A simulated node runs under ${dir}; the agent scrapes it every 5 s with ${CONFIG}

  the page        curl http://${address}/metrics
  its sandboxes   curl http://${address}/sandboxes?verbose
  one pod's       curl -s http://${address}/metrics | grep '^kata_guest_load'
  the agent's own curl http://127.0.0.1:8888/metrics

Pods come (+) and go (-). OTLP is pushed to a small receiver in this process. Ctrl-C ends it all.
`;
}

function describe({ id, flavor, pod }: SimulatedSandbox): string {
  return `pod ${pod.namespace}/${pod.name} (${flavor}, ${pod.runtimeHandler}) sandbox ${id.slice(0, 12)}`;
}

interface Pushed {
  requests: number;
  resources: number;
  points: number;
  endedPoints: number;
}

function addDelivery(pushed: Pushed, { resources, points, endedPoints }: Delivery): void {
  pushed.requests++;
  pushed.resources += resources;
  pushed.points += points;
  pushed.endedPoints += endedPoints;
}

function describePush({ requests, resources, points, endedPoints }: Pushed): string {
  const ended = endedPoints === 0 ? "" : `, ${endedPoints} of them ending their series`;
  return `  OTLP so far: ${requests} requests with ${resources} readings, ${points} points${ended}`;
}
