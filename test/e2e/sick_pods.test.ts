// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NumberStyle } from "../../src/simulator/number_text.ts";
import type { SandboxFault } from "../../src/simulator/sandbox_faults.ts";
import type { SimulatedSandbox } from "../../src/simulator/simulated_sandbox.ts";
import type { SimulatorOptions } from "../../src/simulator/simulator.ts";
import { type AgentConfigObject, type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

const FLAVORS: readonly NumberStyle[] = ["go", "rs"];
/** The simulated kernel kills a process every five seconds on average, so that a test may have to wait longer. */
const KILL_LIMIT_MS = 120_000;

async function withNode(
  simulator: Partial<SimulatorOptions>,
  play: (node: SimulatedNode) => Promise<void>,
): Promise<void> {
  const node = await startNode({ simulator: { sandboxes: 0, ...simulator }, configure: servePages });
  try {
    await play(node);
  } finally {
    await node.close();
  }
}

/** Adds the extension that serves the pages of the sandboxes. */
function servePages(config: AgentConfigObject): void {
  const endpoint = config.exporters["prometheus"]?.["endpoint"];
  Object.assign(config, { extensions: { kata_monitor_api: { endpoint } } });
  Object.assign(config.service, { extensions: ["kata_monitor_api"] });
}

/** The lines of one sandbox on a page. */
class Sandbox {
  readonly #lines: readonly string[];

  constructor(page: string, { id }: Pick<SimulatedSandbox, "id">) {
    this.#lines = page.split("\n").filter((line) => line.includes(`sandbox_id="${id}"`));
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Returns the value of the series that begins with this text; undefined where there is none. */
  value(family: string, labels = ""): number | undefined {
    const line = this.#lines.find((candidate) => candidate.startsWith(`${family}{${labels}`));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
  }

  /** Returns the sandbox's state and the code of the reason. */
  get state(): string {
    const line =
      this.#lines.find((candidate) => /^kata_collector_sandbox_state\{.*\} 1$/.test(candidate)) ?? "";
    return [/[{,]state="([^"]*)"/, /[{,]reason="([^"]*)"/]
      .map((label) => label.exec(line)?.[1] ?? "")
      .join(" ")
      .trim();
  }
}

function cpuTime(sandbox: Sandbox, item: string): number {
  return sandbox.value("kata_guest_cpu_time", `cpu="total",item="${item}"`) ?? Number.NaN;
}

function allCpuTime(sandbox: Sandbox): number {
  const items = "guest guest_nice idle iowait irq nice softirq steal system user".split(" ");
  return items.reduce((sum, item) => sum + cpuTime(sandbox, item), 0);
}

function vmstat(sandbox: Sandbox, item: string): number {
  return sandbox.value("kata_guest_vm_stat", `item="${item}"`) ?? Number.NaN;
}

function diskTime(sandbox: Sandbox, item: string): number {
  return sandbox.value("kata_guest_diskstat", `disk="vda",item="${item}"`) ?? Number.NaN;
}

interface Change {
  readonly simulated: SimulatedSandbox;
  readonly before: Sandbox;
  readonly after: Sandbox;
  /** Returns the share of this mode in the CPU time between the two pages. */
  share(item: string): number;
}

/** Pulls two pages of the sandbox, between which its guest has run for three seconds. */
async function changeOf(node: SimulatedNode, simulated: SimulatedSandbox): Promise<Change> {
  const look = async (): Promise<Sandbox | undefined> => {
    const sandbox = new Sandbox(await node.page(), simulated);
    return Number.isNaN(allCpuTime(sandbox)) ? undefined : sandbox;
  };
  const before = await poll("the first scrape", look);
  const after = await poll("three seconds of the guest", async () => {
    const sandbox = await look();
    return sandbox !== undefined && allCpuTime(sandbox) >= allCpuTime(before) + 3_000 ? sandbox : undefined;
  });
  const share = (item: string): number =>
    (cpuTime(after, item) - cpuTime(before, item)) / (allCpuTime(after) - allCpuTime(before));
  return { simulated, before, after, share };
}

test("the exported counters show the condition of a sick guest, under its pod's name", () =>
  withNode({}, async (node) => {
    const changes = async (fault: SandboxFault): Promise<Change[]> =>
      await Promise.all(
        FLAVORS.map(async (flavor) => changeOf(node, await node.simulator.add({ fault, flavor }))),
      );
    const [well, stolen, full, slow] = await Promise.all([
      changes("none"),
      changes("stolen_cpu"),
      changes("memory_pressure"),
      changes("slow_disk"),
    ] as const);
    for (const { share, after, simulated } of stolen) {
      assert.ok(share("steal") > 0.6, `${share("steal")} of ${simulated.flavor} is stolen`);
      assert.ok(after.lines.every((line) => line.includes(`cri_name="${simulated.pod.name}"`)));
    }
    for (const { before, after, simulated } of full) {
      const available = after.value("kata_guest_meminfo", 'item="mem_available"') ?? Number.NaN;
      const total = after.value("kata_guest_meminfo", 'item="mem_total"') ?? Number.NaN;
      assert.ok(available / total < 0.01, `${available} of ${total}`);
      assert.ok(vmstat(after, "pgmajfault") > vmstat(before, "pgmajfault") + 100);
      const isKilled = async (): Promise<true | undefined> =>
        vmstat(new Sandbox(await node.page(), simulated), "oom_kill") > vmstat(before, "oom_kill") ||
        undefined;
      await poll("an OOM kill", isKilled, KILL_LIMIT_MS);
    }
    for (const { before, after, share } of slow) {
      assert.ok(share("iowait") > 0.8, `${share("iowait")}`);
      const [weighted, busy] = ["weighted_time_in_progress", "time_in_progress"].map(
        (item) => diskTime(after, item) - diskTime(before, item),
      );
      assert.ok(weighted !== undefined && busy !== undefined && busy > 0 && weighted > 10 * busy);
    }
    for (const { after, share } of well) {
      assert.ok(share("steal") < 0.1 && share("iowait") < 0.1 && share("idle") > 0.5);
      assert.equal(vmstat(after, "oom_kill"), 0);
      assert.equal(after.state, "up");
    }
  }));

test("a missing guest part is reported, for both runtimes", () =>
  withNode({}, async (node) => {
    for (const flavor of FLAVORS) {
      const simulated = await node.simulator.add({ fault: "no_agent", flavor });
      const sandbox = await poll("its page", async () => {
        const seen = new Sandbox(await node.page(), simulated);
        return seen.value("kata_collector_sandbox_up") === 1 ? seen : undefined;
      });
      assert.equal(sandbox.value("kata_collector_sandbox_partial"), 1, flavor);
      assert.ok(sandbox.lines.some((line) => line.startsWith("kata_shim_threads{")));
      assert.ok(!sandbox.lines.some((line) => /^kata_(guest|agent)_/.test(line)));
    }
  }));

test("a shim that answers late is up, and the duration is exported", () =>
  withNode({ answerDelayMs: 1_500 }, async (node) => {
    const simulated = await node.simulator.add({ fault: "slow_shim" });
    const sandbox = await poll("its answer", async () => {
      const seen = new Sandbox(await node.page(), simulated);
      return seen.value("kata_collector_sandbox_up") === 1 ? seen : undefined;
    });
    assert.match(sandbox.state, /^up/);
    // Timers may fire up to a millisecond early.
    assert.ok((sandbox.value("kata_collector_sandbox_scrape_duration_seconds") ?? 0) > 1.49);
    assert.ok(sandbox.lines.some((line) => line.startsWith("kata_guest_load{")));
  }));

test("a VM that has lost its pod goes on under the pod's name", () =>
  withNode({ leakDelayMs: 4_000 }, async (node) => {
    const simulated = await node.simulator.add({ fault: "leaked_vm" });
    const look = async (): Promise<Sandbox> => new Sandbox(await node.page(), simulated);
    const scrapes = (sandbox: Sandbox): number => sandbox.value("kata_agent_scrape_count") ?? 0;
    await poll("its name", async () => {
      const { lines } = await look();
      return lines.some((line) => line.includes(`cri_name="${simulated.pod.name}"`)) || undefined;
    });
    await poll("the end of its pod", () => simulated.isListed === false || undefined);
    const before = scrapes(await look());
    const after = await poll("two more scrapes", async () => {
      const sandbox = await look();
      return scrapes(sandbox) >= before + 2 ? sandbox : undefined;
    });
    assert.equal(after.state, "up");
    assert.ok(after.lines.every((line) => line.includes(`cri_name="${simulated.pod.name}"`)));
  }));

test("the remains of dead sandboxes are pending, and a pod without a directory is no sandbox", () =>
  withNode({}, async (node) => {
    const add = (fault: SandboxFault): Promise<SimulatedSandbox> => node.simulator.add({ fault });
    const [left, persist, none, well] = await Promise.all([
      add("left_directory"),
      add("dead_persist"),
      add("no_directory"),
      add("none"),
    ]);
    const states = await poll("the states", async () => {
      const text = await node.page("/sandboxes?verbose");
      return /^\S+ +up /m.test(text) && text.split("no_socket").length === 3 ? text : undefined;
    });
    for (const { id } of [left, persist])
      assert.match(
        states,
        new RegExp(`^- +pending no_socket .* ${id.slice(0, 12)} .*there is no socket`, "m"),
      );
    assert.match(states, new RegExp(` up .*${well.id.slice(0, 12)}`, "m"));
    assert.ok(!states.includes(none.id.slice(0, 12)));
    const ids = await node.page("/sandboxes");
    assert.equal(ids, `${well.id}\n`);
  }));
