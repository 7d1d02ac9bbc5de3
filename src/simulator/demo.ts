// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Agent } from "../agent.ts";
import { readBuildInfo } from "../build_info.ts";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import { readConfigFile } from "../files/read_file.ts";
import { parseDuration } from "../options/values.ts";
import type { Command, CommandContext } from "../process/command.ts";
import { stoppedOrAfter } from "../process/stopped.ts";
import { registry } from "../registry.ts";
import { visible } from "../text/visible.ts";
import { describeFaults, type FaultCounts, parseFaults } from "./fault_list.ts";
import { type PushedRequest, startOtlpSink } from "./otlp_sink.ts";
import type { SimulatedSandbox } from "./simulated_sandbox.ts";
import { startSimulator } from "./simulator.ts";

const USAGE = `Runs a simulated node and the agent on it, with config/demo.yaml.

Usage: npm run demo -- [options]

  --duration D        stop after this time, such as 1m
  --sandboxes N       how many (default 6)
  --faults LIST       how many of them have each fault, such as stolen_cpu=1,hang=1
  --listen-address A  where the page is (default 127.0.0.1:8090)

Faults: a sandbox with

${describeFaults()}`;

const CONFIG = fileURLToPath(new URL("../../config/demo.yaml", import.meta.url));
const REPORT_INTERVAL_MS = 5_000;

interface DemoOptions {
  readonly sandboxes: number;
  readonly faults: FaultCounts;
  readonly address: string;
  /** After how long the demo ends by itself, in milliseconds; undefined for never. */
  readonly limitMs: number | undefined;
}

/** Shows the agent without a real node: sandboxes come and go, and the page and the pushes follow. */
export const demo: Command = async (context) => {
  const options = parseOptions(context.args);
  if (options === undefined) {
    context.stdout.write(USAGE);
    return 0;
  }
  // The environment may name a relative folder for temporary files, but the agent's roots must be absolute.
  const dir = await mkdtemp(join(resolve(tmpdir()), "kata-demo-"));
  try {
    return await play(dir, options, context);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
};

/** Returns undefined for `--help`. */
function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      duration: { type: "string" },
      sandboxes: { type: "string", default: "6" },
      faults: { type: "string", default: "" },
      "listen-address": { type: "string", default: "127.0.0.1:8090" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return undefined;
  const limitMs = values.duration === undefined ? undefined : parseDuration(values.duration);
  if (values.duration !== undefined && limitMs === undefined) {
    throw new Error(`--duration must be a duration such as "30s", got "${values.duration}"`);
  }
  const sandboxes = Number(values.sandboxes);
  if (!Number.isInteger(sandboxes) || sandboxes < 0)
    throw new Error(`--sandboxes must be a whole number, got "${values.sandboxes}"`);
  return {
    sandboxes,
    faults: parseFaults(values.faults, sandboxes),
    address: values["listen-address"],
    limitMs,
  };
}

/** Runs the node, the receiver of the pushes, and the agent between them. */
async function play(dir: string, options: DemoOptions, context: CommandContext): Promise<number> {
  const say = (text: string): void => {
    context.stdout.write(`${text}\n`);
  };
  await using ends = new AsyncDisposableStack();
  const pushed = { requests: 0, resources: 0, points: 0, endedPoints: 0 };
  const sink = ends.adopt(await startOtlpSink((delivery) => addDelivery(pushed, delivery)), (opened) =>
    opened.close(),
  );
  const { sandboxes, faults } = options;
  const simulator = ends.adopt(
    await startSimulator({ dir, sandboxes, faults, flavor: "mixed", churnPerMinute: 6, bootDelayMs: 1_000 }),
    (started) => started.close(),
  );
  simulator.events.on("added", (sandbox) => say(`+ ${describe(sandbox)}`));
  simulator.events.on("ended", (sandbox) => say(`- ${describe(sandbox)}`));
  ends.defer(() => void simulator.events.removeAllListeners());
  const node = { dir, cri: simulator.criEndpoint ?? "", otlp: sink.endpoint };
  const agent = await makeAgent(node, options, context);
  if (agent === undefined) return 1;
  try {
    await agent.start();
    for (const sandbox of simulator.sandboxes.values()) say(`+ ${describe(sandbox)}`);
    say(introduction(visible(options.address), visible(dir)));
    const report = setInterval(() => say(describePush(pushed)), REPORT_INTERVAL_MS);
    await stoppedOrAfter(context.stop, options.limitMs).finally(() => clearInterval(report));
  } finally {
    await agent.shutdown();
  }
  say(`${describePush(pushed)}; the demo is over`);
  return 0;
}

/** Makes the agent with config/demo.yaml. If that configuration has faults, prints them and returns undefined. */
async function makeAgent(
  node: { readonly dir: string; readonly cri: string; readonly otlp: string },
  { address }: DemoOptions,
  { env, stderr, usage }: CommandContext,
): Promise<Agent | undefined> {
  const variables = {
    ...env,
    KATA_COLLECTOR_DEMO_DIR: node.dir,
    KATA_COLLECTOR_DEMO_CRI: node.cri,
    KATA_COLLECTOR_DEMO_OTLP: node.otlp,
    KATA_COLLECTOR_DEMO_LISTEN_ADDRESS: address,
  };
  const loaded = await loadConfig(
    { uris: [CONFIG], sets: [], env: variables, readFile: readConfigFile },
    registry,
  );
  if (loaded.ok)
    return new Agent({ config: loaded.config, build: readBuildInfo(), logOutput: stderr, usage, env });
  stderr.write(renderFaults(loaded.faults));
  return undefined;
}

function introduction(address: string, dir: string): string {
  return `
A simulated node runs under ${dir}; the agent scrapes it every 5 s with ${CONFIG}

  the page        curl http://${address}/metrics
  its sandboxes   curl 'http://${address}/sandboxes?verbose' (or in a browser), the worst first
  one pod's       curl -s http://${address}/metrics | grep '^kata_guest_load'
  the agent's own curl http://127.0.0.1:8888/metrics

Pods come (+) and go (-); --faults makes some of them sick. OTLP is pushed to a small receiver in this process. Ctrl-C ends it all.
`;
}

function describe({ id, flavor, pod, fault }: SimulatedSandbox): string {
  const suffix = fault === "none" ? "" : ` with ${fault}`;
  return `pod ${pod.namespace}/${pod.name} (${flavor}, ${pod.runtimeHandler}) sandbox ${id.slice(0, 12)}${suffix}`;
}

interface Pushed {
  requests: number;
  resources: number;
  points: number;
  endedPoints: number;
}

function addDelivery(pushed: Pushed, { resources, points, endedPoints }: PushedRequest): void {
  pushed.requests++;
  pushed.resources += resources;
  pushed.points += points;
  pushed.endedPoints += endedPoints;
}

function describePush({ requests, resources, points, endedPoints }: Pushed): string {
  const ended = endedPoints === 0 ? "" : `, ${endedPoints} of them ending their series`;
  return `  OTLP so far: ${requests} requests with ${resources} readings, ${points} points${ended}`;
}
