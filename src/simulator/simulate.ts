// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { parseArgs } from "node:util";
import { parseDuration } from "../options/values.ts";
import type { Command } from "../process/command.ts";
import { stoppedOrAfter } from "../process/stopped.ts";
import { visible } from "../text/visible.ts";
import { describeFaults, parseFaults } from "./fault_list.ts";
import type { SimulatedSandbox } from "./simulated_sandbox.ts";
import { type SimulatorOptions, startSimulator } from "./simulator.ts";

const USAGE = `Serves simulated sandboxes on real unix sockets, in the directory layouts of Kata's runtimes, and a CRI server.

Usage: npm run simulate -- --dir D [options]

  --dir D            where to make run/vc/sbs, run/kata and cri.sock
  --sandboxes N      how many (default 10)
  --flavor F         go, rs or mixed (default mixed)
  --churn N          sandboxes that end and are replaced, per minute (default 0)
  --faults LIST      how many sandboxes have each fault, such as hang=1,slow_disk=2
  --hypervisor H     the hypervisor of runtime-rs sandboxes (default dragonball)
  --disks N          disks of the guest: 26 in Kata's own image (default: 26 for go, 2 for rs)
  --boot-delay D     how late a Go shim's socket, or the state.json of runtime-rs, appears (default 0s)
  --answer-delay D   how late slow_shim answers (default 9s)
  --leak-delay D     how long the runtime lists the pod of leaked_vm (default 30s)
  --seed N           the same seed makes the same node (default 1)
  --duration D       stop after this time

Faults: a sandbox with

${describeFaults()}`;

const OPTIONS = {
  dir: { type: "string" },
  sandboxes: { type: "string", default: "10" },
  flavor: { type: "string", default: "mixed" },
  churn: { type: "string", default: "0" },
  faults: { type: "string", default: "" },
  hypervisor: { type: "string", default: "dragonball" },
  disks: { type: "string" },
  "boot-delay": { type: "string", default: "0s" },
  "answer-delay": { type: "string" },
  "leak-delay": { type: "string" },
  seed: { type: "string", default: "1" },
  duration: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The limit on sandboxes, each of which has an open socket. A node has a few hundred sandboxes, and a process can open
 * some ten thousand files.
 */
const SANDBOXES_MAX = 10_000;

/** Runs a simulated node until it is told to stop. */
export const simulate: Command = async ({ args, stdout, stop }) => {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    stdout.write(USAGE);
    return 0;
  }
  if (values.dir === undefined) throw new Error("--dir is missing; see simulate --help");
  if (values.flavor !== "go" && values.flavor !== "rs" && values.flavor !== "mixed") {
    throw new Error(`--flavor must be go, rs or mixed, got "${values.flavor}"`);
  }
  const sandboxes = wholeNumber("sandboxes", values.sandboxes);
  if (sandboxes > SANDBOXES_MAX)
    throw new Error(`--sandboxes must be at most ${SANDBOXES_MAX}, got ${sandboxes}`);
  const options: SimulatorOptions = {
    dir: values.dir,
    sandboxes,
    flavor: values.flavor,
    churnPerMinute: wholeNumber("churn", values.churn),
    faults: parseFaults(values.faults, sandboxes),
    hypervisor: values.hypervisor,
    bootDelayMs: milliseconds("boot-delay", values["boot-delay"]),
    answerDelayMs: optionalMs("answer-delay", values["answer-delay"]),
    leakDelayMs: optionalMs("leak-delay", values["leak-delay"]),
    seed: wholeNumber("seed", values.seed),
    page: values.disks === undefined ? {} : { disks: wholeNumber("disks", values.disks) },
  };
  const limitMs = optionalMs("duration", values.duration);
  const simulator = await startSimulator(options);
  try {
    stdout.write(`roots: ${visible(simulator.goRoot)} (go), ${visible(simulator.rsRoot)} (rs)\n`);
    stdout.write(`CRI: ${visible(simulator.criEndpoint ?? "none")}\n`);
    for (const sandbox of simulator.sandboxes.values())
      if (sandbox.fault !== "none") stdout.write(`${describeFault(sandbox)}\n`);
    stdout.write(`${simulator.sandboxes.size} sandboxes are served. Ctrl-C ends them.\n`);
    const failed = once(simulator.events, "error").then(([error]) => Promise.reject(error));
    await Promise.race([stoppedOrAfter(stop, limitMs), failed]);
  } finally {
    await simulator.close();
  }
  return 0;
};

function wholeNumber(name: string, text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} must be a whole number, got "${text}"`);
}

function milliseconds(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 0)
    throw new Error(`--${name} must be a duration such as "30s", got "${text}"`);
  return ms;
}

function optionalMs(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : milliseconds(name, text);
}

function describeFault({ fault, id, pod }: SimulatedSandbox): string {
  return `${fault}: pod ${pod.namespace}/${pod.name}, sandbox ${id.slice(0, 12)}`;
}
