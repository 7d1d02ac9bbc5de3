// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../kit/poll.ts";
import { accountOf, assertBalanced, describeAccounts } from "./accounts.ts";
import type { Mode } from "./recorder.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig, WatchedAgent } from "./watched_agent.ts";

const SHORT_RELOADS = 6;
const LONG_RELOADS = 100;
const BROKEN_EVERY = 3;
const BETWEEN_MS = 400;
const MODES: readonly Mode[] = ["up", "up", "refusing", "hanging", "unavailable", "cutting"];

type Change = (scene: Scene) => AgentConfig;

/** Changes of the configuration, each of which makes a reload exchange another part of the agent. */
const CHANGES: Readonly<Record<string, Change>> = {
  plain: (scene) => scene.config(),
  receiver: (scene) => ({
    ...scene.config(),
    receivers: { kata: { ...scene.receiver(), collection_interval: "150ms" } },
  }),
  exporter: (scene) => ({
    ...scene.config(),
    exporters: {
      [DISK]: exporterTo(scene.recorder.address, {
        storage: "file_storage",
        batch: { flush_timeout: "80ms" },
      }),
    },
  }),
  storage: (scene) => ({
    ...scene.config(),
    extensions: { file_storage: { directory: scene.storage, create_directory: true, fsync: "200ms" } },
  }),
  processor: (scene) => through(scene.config(), { processors: ["cri_metadata"], exporters: [DISK] }),
  "another exporter": (scene) => through(scene.config(), { processors: [], exporters: [DISK, "nop"] }),
};

function through(
  config: AgentConfig,
  { processors, exporters }: { processors: readonly string[]; exporters: readonly string[] },
): AgentConfig {
  return {
    ...config,
    processors: { cri_metadata: { endpoint: "unix:///nowhere/cri.sock", wait: "200ms" } },
    exporters: { ...config.exporters, nop: null },
    service: { ...config.service, pipelines: { metrics: { receivers: ["kata"], processors, exporters } } },
  };
}

/** Configurations that a reload must refuse: no YAML, one with a fault, and valid ones that cannot start. */
const BROKEN: Readonly<Record<string, (scene: Scene, agent: WatchedAgent) => Promise<void>>> = {
  "no YAML": (_scene, agent) => agent.rewriteText("receivers: [kata\n"),
  "empty file": (_scene, agent) => agent.rewriteText(""),
  "unknown key": (scene, agent) =>
    agent.rewrite({
      ...scene.config(),
      receivers: { kata: { ...scene.receiver(), colection_interval: "1s" } },
    }),
  "cannot start": (scene, agent) => {
    const config = through(scene.config(), { processors: [], exporters: [DISK, "prometheus"] });
    // No machine has this address.
    const exporters = { ...config.exporters, prometheus: { endpoint: "192.0.2.1:1" } };
    return agent.rewrite({ ...config, exporters });
  },
};

const RELOADED = "Configuration was reloaded.";
const FAULTY = "Configuration has faults; the old one stays in use.";

function pick<T>(from: Readonly<Record<string, T>>, random: () => number): readonly [string, T] {
  const entries = Object.entries(from);
  const entry = entries[Math.floor(random() * entries.length)];
  assert.ok(entry !== undefined);
  return entry;
}

/** Reloads once, and returns what was changed. */
async function reload(scene: Scene, agent: WatchedAgent, broken: boolean): Promise<string> {
  const said = broken ? FAULTY : RELOADED;
  const times = (): number => agent.stderr().split(said).length;
  const before = times();
  const [name, change] = broken ? pick(BROKEN, scene.random) : pick(CHANGES, scene.random);
  const written = change(scene, agent);
  if (written instanceof Promise) await written;
  else await agent.rewrite(written);
  agent.kill("SIGHUP");
  await poll(`"${said}" after ${name}`, () => {
    assert.ok(!agent.hasEnded(), `the agent has ended:\n${agent.stderr()}`);
    return times() > before || undefined;
  });
  return name;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  const done = new Map<string, number>();
  try {
    const agent = await scene.start();
    const reloads = long ? LONG_RELOADS : SHORT_RELOADS;
    for (let count = 1; count <= reloads; count++) {
      await scene.recorder.setMode(MODES[Math.floor(scene.random() * MODES.length)] ?? "up");
      await sleep(scene.random() * BETWEEN_MS);
      const fromMs = Date.now();
      const name = await reload(scene, agent, count % BROKEN_EVERY === 0);
      // Readings that are under way while a component is exchanged are lost and counted.
      scene.interruptions.push({ fromMs, toMs: Date.now() });
      done.set(name, (done.get(name) ?? 0) + 1);
    }
    await scene.drain(agent);
    const account = accountOf(await agent.counters(), DISK, scene.recorder.kept);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`${reloads} reloads: ${Array.from(done, ([name, times]) => `${times} × ${name}`).join(", ")}`);
    print(`${describeAccounts([account])}\n${describeVerdict(verdict)}`);
    assertBalanced(account);
    assertNothingLost(verdict);
    assert.equal(
      verdict.neverAccepted > 0,
      account.counted > 0,
      "readings are missing only where an exchange has lost some",
    );
    assert.doesNotMatch(agent.stderr(), /BUG/);
  } finally {
    await scene.close();
  }
}

export const reloads: Scenario = {
  name: "reloads",
  summary: "SIGHUP under load, with every third configuration broken",
  run,
};
