// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/clock/clock.ts";
import { DiskQueue } from "../../src/delivery/disk_queue.ts";
import { HEADER_BYTES } from "../../src/delivery/disk_record.ts";
import type { Damage } from "../../src/delivery/disk_segment.ts";
import { seededRandom, shuffled } from "../../src/simulator/random.ts";
import { type DiskRecord, readRecords } from "./disk_truth.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, startScene } from "./scene.ts";

const RECORDS = 5;
const PAYLOAD_BYTES_MAX = 160;
const LONG_PAYLOAD_BYTES_MAX = 4_000;
const SETTLED = 1;
const BITS = 8;

function openQueue(directory: string, damages: Damage[]): DiskQueue {
  return new DiskQueue({
    directory,
    fsync: "never",
    quota: { bytesMax: Number.POSITIVE_INFINITY, bytes: 0 },
    clock: systemClock,
    onDamage: (damage) => damages.push(damage),
    onError: (error) => assert.fail(error),
  });
}

/** Writes a queue of a few records, of which the first is settled; some hold bytes that look like the head of a record. */
function makeQueue(directory: string, random: () => number, payloadBytesMax: number): void {
  const queue = openQueue(directory, []);
  for (let record = 0; record < RECORDS; record++) {
    const bytes = Buffer.alloc(8 + Math.floor(random() * payloadBytesMax));
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(random() * 256);
    if (record % 2 === 1) bytes.write("KCQ1", 2);
    queue.add({ bytes, points: 100 + record }, record);
  }
  for (let settled = 0; settled < SETTLED; settled++) {
    queue.acknowledge(queue.take({ requests: 1 }));
  }
  void queue.close();
}

interface Outcome {
  readonly payloads: readonly string[];
  readonly damages: readonly Damage[];
}

/** Returns the records that a queue finds in these two files. */
function outcomeOf(directory: string, files: Readonly<Record<string, Buffer>>): Outcome {
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes);
  const damages: Damage[] = [];
  const queue = openQueue(directory, damages);
  const payloads: string[] = [];
  for (const { bytes } of queue.take({})) payloads.push(Buffer.from(bytes).toString("hex"));
  void queue.close();
  return { payloads, damages };
}

/** Changes every byte of a segment and of the acks, one at a time, and cuts the segment to every length. */
async function spoilEveryByte(random: () => number, payloadBytesMax: number): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "spoil-"));
  makeQueue(directory, random, payloadBytesMax);
  const records = readRecords(directory);
  const [first] = records;
  assert.ok(first !== undefined && records.length === RECORDS);
  const segmentName = basename(first.path);
  const segment = readFileSync(first.path);
  const acks = readFileSync(join(directory, "acks"));
  const hexes = records.map(({ payload }) => payload.toString("hex"));
  const waiting = hexes.slice(SETTLED);
  try {
    for (let at = 0; at < segment.length; at++) {
      const struck = records.findLastIndex(({ offset }) => offset <= at);
      const outcome = outcomeOf(directory, { [segmentName]: flipped(segment, at, random), acks });
      checkSpoilt({ at, struck, records, waiting, outcome });
      await breathe();
    }
    for (let length = 0; length < segment.length; length++) {
      const whole = records.filter(({ offset, payload }) => offset + HEADER_BYTES + payload.length <= length);
      const want = hexes.slice(SETTLED, Math.max(SETTLED, whole.length));
      const { payloads } = outcomeOf(directory, { [segmentName]: segment.subarray(0, length), acks });
      assert.deepEqual(payloads, want, `cut after ${length} bytes`);
      await breathe();
    }
    for (let at = 0; at < acks.length; at++) {
      const { payloads } = outcomeOf(directory, { [segmentName]: segment, acks: flipped(acks, at, random) });
      assert.ok(
        waiting.every((hex) => payloads.includes(hex)),
        `byte ${at} of the acks spoilt`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  return `${segment.length} bytes of a segment and ${acks.length} of its acks, each spoilt by itself; ${segment.length} lengths`;
}

interface Spoilt {
  readonly at: number;
  /** The record that holds the changed byte. */
  readonly struck: number;
  readonly records: readonly DiskRecord[];
  readonly waiting: readonly string[];
  readonly outcome: Outcome;
}

/** Fails unless only the record with the changed byte is missing, and is reported, with its points if its header has them. */
function checkSpoilt({ at, struck, records, waiting, outcome: { payloads, damages } }: Spoilt): void {
  const record = records[struck];
  assert.ok(record !== undefined);
  const inHeader = at < record.offset + HEADER_BYTES;
  const want = waiting.filter((_, index) => index + SETTLED !== struck);
  assert.deepEqual(payloads, want, `byte ${at} spoilt: all other records are as they were`);
  const lost = damages.map((damage) => damage.lost);
  if (inHeader) {
    assert.deepEqual(
      lost.map(({ requests, items }) => [requests, items]),
      [[1, 0]],
      `byte ${at} of a header`,
    );
  } else if (struck >= SETTLED) {
    assert.deepEqual(
      lost.map(({ requests, items }) => [requests, items]),
      [[1, record.header.points]],
      `byte ${at}`,
    );
  } else assert.deepEqual(lost, [], `byte ${at} of a settled record's payload makes no difference`);
}

function flipped(bytes: Buffer, at: number, random: () => number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * BITS));
  return copy;
}

/** Lets an agent fill a queue with real readings, damages some records while no agent runs, and starts another agent. */
async function spoilUnderAgent(scene: Scene, share: number): Promise<string> {
  const { random, recorder } = scene;
  await recorder.setMode("unavailable");
  const first = await scene.start();
  await sleep(1_500);
  assert.equal((await first.stop("SIGTERM")).code, 0);
  scene.lookAtDisk();
  const records = readRecords(scene.queueDirectory);
  const spoilt = shuffled(records, random).slice(0, Math.ceil(records.length * share));
  for (const record of spoilt) spoil(record, HEADER_BYTES + Math.floor(random() * record.payload.length));
  const points = spoilt.reduce((sum, { header }) => sum + header.points, 0);

  await recorder.setMode("up");
  const second = await scene.start();
  await scene.drain(second);
  const own = (await second.counters()).exporters.get(DISK);
  assert.equal((await second.stop("SIGTERM")).code, 0);
  const missing = scene.onDisk.missingIn(recorder.kept);
  assert.equal(missing, points, "what is missing is what was spoilt");
  assert.equal(own?.failed.get("corrupt"), points, "and it is counted to the point");
  const text = `${records.length} records on disk, ${spoilt.length} of them spoilt: ${points} points counted as corrupt, ${missing} missing`;
  return `${text}, ${recorder.kept.unique} received, ${recorder.kept.duplicates} again`;
}

function spoil({ path, offset }: DiskRecord, within: number): void {
  const fd = openSync(path, "r+");
  const byte = readFileSync(path)[offset + within] ?? 0;
  writeSync(fd, Buffer.of(byte ^ 1), 0, 1, offset + within);
  closeSync(fd);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  print(await spoilEveryByte(seededRandom(seed), long ? LONG_PAYLOAD_BYTES_MAX : PAYLOAD_BYTES_MAX));
  for (const share of long ? [0.05, 0.3, 1] : [0.3]) {
    const scene = await startScene({ seed });
    try {
      print(await spoilUnderAgent(scene, share));
    } finally {
      await scene.close();
    }
  }
}

export const corruption: Scenario = {
  name: "corruption",
  summary: "damage in each single byte of a segment, and in records while the agent is stopped",
  run,
};
