// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { systemClock } from "../../src/clock/clock.ts";
import { DiskQueue } from "../../src/delivery/disk_queue.ts";
import { ExportMetricsServiceRequestSchema } from "../../src/otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { seededRandom } from "../../src/simulator/random.ts";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { type Answer, OK, startOtlpServer } from "../kit/destinations/otlp_server.ts";
import { startAgentProcess } from "../kit/node/agent_process.ts";
import { poll } from "../kit/poll.ts";

/** For more kills: KILLS=100 KILL_SEED=$RANDOM node --test test/e2e/killed.test.ts */
const KILLS = Number(process.env["KILLS"] ?? 6);
const SEED = Number(process.env["KILL_SEED"] ?? 1);
const SANDBOXES = 5;

/** Returns the readings in a request, as `sandbox time`, with the guest's count of its scrapes. */
function readingsIn(bytes: Uint8Array): Map<string, number> {
  const readings = new Map<string, number>();
  for (const { resource, scopeMetrics } of fromBinary(ExportMetricsServiceRequestSchema, bytes)
    .resourceMetrics) {
    const id = resource?.attributes.find(({ key }) => key === "kata.sandbox.id")?.value?.value.value;
    const counts = scopeMetrics
      .flatMap((scope) => scope.metrics)
      .find(({ name }) => name === "kata_agent_scrape_count");
    const point = counts?.data.case === "sum" ? counts.data.value.dataPoints[0] : undefined;
    if (point === undefined || point.flags === 1) continue;
    readings.set(`${id} ${point.timeUnixNano}`, Number(point.value.value));
  }
  return readings;
}

/** Returns the readings in the queue on disk, read from a copy, as the next agent would find them after a crash. */
function kept(directory: string): Map<string, number> {
  const readings = new Map<string, number>();
  const queueDirectory = join(directory, "otlp_grpc");
  if (!existsSync(queueDirectory)) return readings;
  const copy = mkdtempSync(join(tmpdir(), "kept-"));
  cpSync(queueDirectory, copy, { recursive: true });
  const queue = new DiskQueue({
    directory: copy,
    fsync: "never",
    quota: { bytesMax: Number.POSITIVE_INFINITY, bytes: 0 },
    clock: systemClock,
    onDamage: (damage) => assert.fail(JSON.stringify(damage)),
    onError: (error) => assert.fail(error),
  });
  for (const { bytes } of queue.take({}))
    for (const [key, count] of readingsIn(bytes)) readings.set(key, count);
  void queue.close();
  rmSync(copy, { recursive: true });
  return readings;
}

/** The readings that the destination has received, and how often. */
class Record {
  readonly times = new Map<string, number>();
  readonly counts = new Map<string, number>();

  add(bytes: Uint8Array): void {
    for (const [key, count] of readingsIn(bytes)) {
      this.times.set(key, (this.times.get(key) ?? 0) + 1);
      this.counts.set(key, count);
    }
  }

  get duplicates(): number {
    return [...this.times.values()].reduce((sum, times) => sum + times - 1, 0);
  }

  /** The guest's counts of each sandbox, in ascending order. */
  get sequences(): Map<string, number[]> {
    const sequences = Map.groupBy(this.counts, ([key]) => key.split(" ")[0] ?? "");
    return new Map(
      [...sequences].map(([id, entries]) => [id, entries.map(([, count]) => count).sort((a, b) => a - b)]),
    );
  }
}

async function setUp(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "killed-"));
  const simulator = await startSimulator({ dir: directory, sandboxes: SANDBOXES, flavor: "rs", cri: false });
  const record = new Record();
  const destination = { up: true };
  const answer: Answer = (call, reply) => {
    if (!destination.up) return reply({ code: 14, details: "closed for the night" });
    record.add(call.request);
    OK(call, reply);
  };
  const server = await startOtlpServer({ answers: [answer] });
  context.after(async () => {
    server.close();
    await simulator.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const storage = join(directory, "storage");
  const config = {
    extensions: { file_storage: { directory: storage, create_directory: true } },
    receivers: { kata: { roots: [{ path: simulator.rsRoot, runtime: "rs" }], collection_interval: "100ms" } },
    exporters: {
      otlp_grpc: {
        endpoint: server.endpoint,
        tls: { insecure: true },
        retry_on_failure: { initial_interval: "50ms", max_interval: "200ms" },
        sending_queue: { storage: "file_storage", batch: { flush_timeout: "50ms" } },
      },
    },
    service: {
      extensions: ["file_storage"],
      telemetry: { metrics: { level: "none" } },
      pipelines: { metrics: { receivers: ["kata"], exporters: ["otlp_grpc"] } },
    },
  };
  return { simulator, record, destination, storage, config };
}

test("an agent that is killed at any instant loses nothing that was in its disk queue", async (context) => {
  const random = seededRandom(SEED);
  const { simulator, record, destination, storage, config } = await setUp(context);
  const taken = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    destination.up = kill % 2 === 0;
    const agent = await startAgentProcess(config);
    await sleep(200 + random() * 800);
    agent.kill("SIGKILL");
    await agent.finished;
    for (const [key, count] of kept(storage)) taken.set(key, count);
  }
  destination.up = true;
  // All scrapes fail from now on, so that the queue can become empty.
  for (const { shim } of simulator.sandboxes.values()) await shim?.setFault("error500");
  const agent = await startAgentProcess(config);
  await poll("the queue to run empty", () => kept(storage).size === 0 || undefined);
  assert.equal((await agent.stop()).code, 0);

  const missing = [...taken.keys()].filter((key) => !record.times.has(key));
  const gaps = [...record.sequences.values()].flatMap((counts) =>
    counts.slice(1).map((count, index) => count - (counts[index] ?? 0) - 1),
  );
  const neverTaken = gaps.reduce((sum, gap) => sum + gap, 0);
  context.diagnostic(
    `KILL_SEED=${SEED}: ${KILLS} kills; on disk at some kill ${taken.size}, received ${record.times.size}, ` +
      `missing ${missing.length}, received again ${record.duplicates}; scraped at a kill and never taken ${neverTaken}`,
  );
  assert.ok(taken.size > 0 && record.times.size > SANDBOXES * KILLS);
  assert.deepEqual(missing, []);
  // A scrape that was under way at a kill was never accepted: at most one of each sandbox and kill.
  assert.ok(neverTaken <= SANDBOXES * KILLS, `${neverTaken} readings are missing between others`);
});
