import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { shuffled } from "../../src/simulator/random.ts";
import { renderTable } from "../bench/table.ts";
import type { Counters } from "./counters.ts";
import type { AgentConfig } from "./life.ts";
import { MODES, type Mode, type Recorder, startRecorder } from "./recorder.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, INTERVAL_MS, type Scene, setScene, TIMEOUT_MS } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const MEMORY = "otlp_grpc/memory";
const SHORT_MODE_MS = 400;
/** In these an attempt must run into its deadline. */
const SILENT: readonly Mode[] = ["hanging", "stalled"];
const LONG_MODE_MS = 6_000;
const LONG_ROUNDS = 3;
/** As many readings as an hour has at the default interval of 15 s. */
const OUTAGE_READINGS = 240;

/** Both kinds of queue beside each other, each with a destination of its own that fails in the same ways. */
function configOf(scene: Scene, inMemory: Recorder): AgentConfig {
  const config = scene.config();
  return {
    ...config,
    exporters: { ...config.exporters, [MEMORY]: exporterTo(inMemory.endpoint, {}) },
    service: {
      ...config.service,
      pipelines: { metrics: { receivers: ["kata"], exporters: [DISK, MEMORY] } },
    },
  };
}

/** What the agent counted beside what its destination has, in data points. */
function compare(counters: Counters, recorders: ReadonlyMap<string, Recorder>): string {
  const rows: string[][] = [];
  for (const [id, { kept }] of recorders) {
    const own = counters.exporters.get(id);
    assert.ok(own !== undefined, `${id} counts something`);
    const failed = [...own.failed.values()].reduce((sum, points) => sum + points, 0);
    rows.push(
      [id, counters.accepted, own.sent, failed, own.enqueueFailed, kept.points, kept.duplicates].map(String),
    );
    // Ends of series are said by the exporter; no receiver has handed them on.
    const values = kept.unique - kept.uniqueEnds;
    assert.equal(own.sent, values, `${id}: sent is received less what came again`);
    assert.equal(counters.accepted, values, `${id}: accepted by the pipeline is received`);
    assert.equal(failed, 0, `${id}: nothing was given up`);
    assert.equal(own.enqueueFailed, 0, `${id}: nothing was refused`);
  }
  assert.equal(counters.refused, 0);
  const head = ["exporter", "accepted", "sent", "send failed", "enqueue failed", "received", "again"];
  return renderTable(head, rows);
}

async function setModes(recorders: ReadonlyMap<string, Recorder>, mode: Mode): Promise<void> {
  for (const recorder of recorders.values()) await recorder.setMode(mode);
}

function durationMs(mode: Mode, long: boolean): number {
  if (long) return LONG_MODE_MS;
  return SHORT_MODE_MS + (SILENT.includes(mode) ? TIMEOUT_MS : 0);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await setScene({ seed });
  const inMemory = await startRecorder(scene.random);
  const recorders = new Map([
    [DISK, scene.recorder],
    [MEMORY, inMemory],
  ]);
  try {
    const life = await scene.start(configOf(scene, inMemory));
    if (long) {
      await setModes(recorders, "refusing");
      await sleep(OUTAGE_READINGS * INTERVAL_MS);
      const { queueSize = 0 } = (await life.counters()).exporters.get(DISK) ?? {};
      print(
        `after an outage of ${OUTAGE_READINGS} readings of each sandbox: ${queueSize} bytes in the queue`,
      );
    }
    for (let round = 0; round < (long ? LONG_ROUNDS : 1); round++) {
      for (const mode of shuffled(MODES, scene.random)) {
        await setModes(recorders, mode);
        await sleep(durationMs(mode, long));
        const { kept } = scene.recorder;
        if (long) print(`after ${mode}: ${kept.unique} points received, ${kept.duplicates} again`);
      }
    }
    await inMemory.setMode("up");
    await scene.drain(life, [...recorders.keys()]);
    const counters = await life.counters();
    print(compare(counters, recorders));
    for (const [id, recorder] of recorders) {
      const verdict = scene.judge(recorder);
      print(`${id}:\n${describeVerdict(verdict)}`);
      assertNothingLost(verdict);
    }
    assert.equal((await life.end("SIGTERM")).code, 0);
  } finally {
    await inMemory.close();
    await scene.close();
  }
}

export const destinations: Scenario = {
  name: "destinations",
  summary: "a destination that fails in every way in turn, for a queue in memory and one on disk",
  run,
};
