import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../e2e/poll.ts";
import type { Counters, ExporterCounters } from "./counters.ts";
import type { Life } from "./life.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, type Scene, setScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

/** Options of a queue, by what they make of one that runs over. */
const POLICIES = {
  refuse_newest: { overflow: "refuse_newest" },
  drop_oldest: { overflow: "drop_oldest" },
  block: { block_on_overflow: true },
  wait: { wait_for_result: true },
} as const;
type Policy = keyof typeof POLICIES;
type Kind = "memory" | "disk";

/** The smallest that holds the largest request. */
const QUEUE_SIZE = "1MiB";
const SHORT_FULL_MS = 500;
const LONG_FULL_MS = 20_000;

interface Flood {
  readonly scene: Scene;
  readonly kind: Kind;
  readonly policy: Policy;
  readonly fullMs: number;
}

/** Lets a queue run over and then empty. */
async function flood({ scene, kind, policy, fullMs }: Flood): Promise<{ counters: Counters; life: Life }> {
  const config = scene.config();
  const storage = kind === "disk" ? { storage: "file_storage" } : {};
  const isBlocking = policy === "block" || policy === "wait";
  const queue = { queue_size: QUEUE_SIZE, ...POLICIES[policy], ...storage };
  // Beside one that takes everything, only who blocks loses nothing.
  const exporters = isBlocking ? [DISK, "nop"] : [DISK];
  const life = await scene.start({
    ...config,
    exporters: { [DISK]: exporterTo(scene.recorder.endpoint, queue), nop: {} },
    service: { ...config.service, pipelines: { metrics: { receivers: ["kata"], exporters } } },
  });
  await scene.recorder.setMode("unavailable");
  await poll("the queue to be full", async () => {
    const { exporters: all, refused } = await life.counters();
    const overflown = policy === "drop_oldest" ? all.get(DISK)?.failed.get("overflow") : refused;
    return (overflown ?? 0) > 0 || undefined;
  });
  await sleep(fullMs);
  await scene.drain(life);
  return { counters: await life.counters(), life };
}

/** Whoever is turned away stays with the receiver, which asks the shim no further: no reading lacks in the end. */
async function refusing(options: Flood): Promise<string> {
  const { scene } = options;
  const { counters, life } = await flood(options);
  const own = exporterIn(counters);
  const verdict = scene.judge();
  assertNothingLost(verdict);
  const { kept } = scene.recorder;
  assert.equal(own.sent, kept.unique - kept.uniqueEnds, "sent is received less what came again");
  assert.equal(counters.accepted, kept.unique - kept.uniqueEnds, "accepted is received");
  assert.equal(own.enqueueFailed, 0, "what the queue turned away, the receiver still had");
  assert.equal((await life.end("SIGTERM")).code, 0);
  return `turned away ${counters.refused} points, offered again later\n${describeVerdict(verdict)}`;
}

/** Whoever waited longest is dropped, and counted to the point. */
async function dropping(options: Flood): Promise<string> {
  const { scene } = options;
  const { counters, life } = await flood(options);
  const own = exporterIn(counters);
  const { kept } = scene.recorder;
  const dropped = own.failed.get("overflow") ?? 0;
  assert.equal(own.sent, kept.unique - kept.uniqueEnds, "sent is received less what came again");
  assert.equal(counters.accepted, kept.unique - kept.uniqueEnds + dropped, "accepted is received or dropped");
  assert.ok(dropped > 0);
  assert.equal((await life.end("SIGTERM")).code, 0);
  return `accepted ${counters.accepted} points, received ${kept.unique - kept.uniqueEnds}, dropped and counted ${dropped}`;
}

function exporterIn({ exporters }: Counters): ExporterCounters {
  const own = exporters.get(DISK);
  assert.ok(own !== undefined, "the exporter counts something");
  return own;
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
const SHORT = 4;

async function run({ seed, long, print }: Scale): Promise<void> {
  const fullMs = long ? LONG_FULL_MS : SHORT_FULL_MS;
  for (const [kind, policy] of long ? ALL : ALL.slice(0, SHORT)) {
    const scene = await setScene({ seed });
    try {
      const look = policy === "drop_oldest" ? dropping : refusing;
      print(`${kind}, ${policy}: ${await look({ scene, kind, policy, fullMs })}`);
    } finally {
      await scene.close();
    }
  }
}

export const overflow: Scenario = {
  name: "overflow",
  summary: "a queue that runs over: who is turned away comes again, who is dropped is counted",
  run,
};
