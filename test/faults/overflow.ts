// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../kit/poll.ts";
import { accountOf, assertBalanced, describeAccounts, exporterIn, watchAccounts } from "./accounts.ts";
import type { Counters } from "./counters.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

/** The options of the queue, by the policy for a full queue that they choose. */
const POLICIES = {
  refuse_newest: { overflow: "refuse_newest" },
  drop_oldest: { overflow: "drop_oldest" },
  block: { block_on_overflow: true },
  wait: { wait_for_result: true },
} as const;
type Policy = keyof typeof POLICIES;
type Kind = "memory" | "disk";

/** The smallest queue that holds the largest request. */
const QUEUE_SIZE = "1MiB";
const SHORT_FULL_MS = 500;
const LONG_FULL_MS = 20_000;

interface Flood {
  readonly scene: Scene;
  readonly kind: Kind;
  readonly policy: Policy;
  readonly fullMs: number;
}

/** Returns whether the queue was full: a reading was lost because of it, or a scrape was skipped. */
const WAS_FULL: Readonly<Record<Policy, (counters: Counters) => boolean>> = {
  refuse_newest: (counters) => exporterIn(counters, DISK).enqueueFailed > 0,
  drop_oldest: (counters) => (exporterIn(counters, DISK).failed.get("overflow") ?? 0) > 0,
  block: ({ skipped }) => (skipped.get("queue_full") ?? 0) > 0,
  wait: ({ skipped }) => (skipped.get("result_pending") ?? 0) > 0,
};
/** The policies under which nothing is scraped while there is no room. */
const ASKING: readonly Policy[] = ["block", "wait"];

/** Fills a queue and then empties it. Fails unless each accepted point is received, or counted as lost to the full queue. */
async function flood({ scene, kind, policy, fullMs }: Flood): Promise<string> {
  const config = scene.config();
  const storage = kind === "disk" ? { storage: "file_storage" } : {};
  const queue = { queue_size: QUEUE_SIZE, ...POLICIES[policy], ...storage };
  // The other exporter's queue has room, but it gets nothing either while the full one asks for no scrapes.
  const exporters = [DISK, "nop"];
  // From the beginning: a request whose answer is lost in the change would be received, and yet dropped as the oldest.
  await scene.recorder.setMode("unavailable");
  const agent = await scene.start({
    ...config,
    exporters: { [DISK]: exporterTo(scene.recorder.address, queue), nop: {} },
    service: { ...config.service, pipelines: { metrics: { receivers: ["kata"], exporters } } },
  });
  const watch = watchAccounts(agent);
  await poll("the queue to be full", async () => WAS_FULL[policy](await agent.counters()) || undefined);
  await sleep(fullMs);
  await scene.drain(agent);
  await watch.stop();
  const counters = await agent.counters();
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  const account = accountOf(counters, DISK, scene.recorder.kept);
  assertBalanced(account);
  const skipped = Array.from(counters.skipped, ([reason, times]) => `${times} × ${reason}`).join(", ");
  const text = `scrapes not made: ${skipped || "none"}\n${describeAccounts([account])}`;
  if (!ASKING.includes(policy)) return text;
  assert.equal(account.counted, 0, "a queue that is asked first loses nothing");
  const verdict = scene.judge();
  assertNothingLost(verdict);
  return `${text}\n${describeVerdict(verdict)}`;
}

const ALL: readonly (readonly [Kind, Policy])[] = [
  ["memory", "refuse_newest"],
  ["disk", "drop_oldest"],
  ["memory", "block"],
  ["memory", "wait"],
  ["disk", "block"],
  ["memory", "drop_oldest"],
  ["disk", "refuse_newest"],
];

async function run({ seed, long, print }: Scale): Promise<void> {
  const fullMs = long ? LONG_FULL_MS : SHORT_FULL_MS;
  for (const [kind, policy] of ALL) {
    const scene = await startScene({ seed });
    try {
      print(`${kind}, ${policy}: ${await flood({ scene, kind, policy, fullMs })}`);
    } finally {
      await scene.close();
    }
  }
}

export const overflow: Scenario = {
  name: "overflow",
  summary:
    "a queue that runs over: the newest or the oldest readings are lost and counted, or scrapes are skipped",
  run,
};
