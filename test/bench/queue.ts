// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/clock/clock.ts";
import { DiskQueue, type Fsync } from "../../src/delivery/disk_queue.ts";
import { MemoryQueue } from "../../src/delivery/memory_queue.ts";
import type { RequestQueue } from "../../src/delivery/queue.ts";

/** The throughput of a queue, request by request. */
export interface QueueRow {
  readonly queue: string;
  readonly "add MB/s": string;
  readonly "add µs": string;
  readonly "slowest add ms": string;
  readonly "take+settle MB/s": string;
  readonly "reopen ms": string;
}

/** About the size of one sandbox's reading as OTLP. */
const REQUEST_BYTES = 70_000;
const BATCH = { bytes: 4_000_000 };

/** Measures the queues; the ones on disk in the temporary directory. */
export async function benchQueue(): Promise<readonly QueueRow[]> {
  const rows: QueueRow[] = [];
  for (const [name, fsync, requests] of [
    ["disk, fsync false", "never", 4_000],
    ["disk, fsync 1s", { everyMs: 1_000 }, 4_000],
    ["disk, fsync true", "always", 400],
  ] as const)
    rows.push(await onDisk(name, fsync, requests));
  const memory = new MemoryQueue();
  const { added, taken } = work(memory, 4_000);
  return [{ queue: "memory", ...added, "take+settle MB/s": taken, "reopen ms": "" }, ...rows];
}

async function onDisk(name: string, fsync: Fsync, requests: number): Promise<QueueRow> {
  const directory = mkdtempSync(join(tmpdir(), "bench-queue-"));
  const open = (): DiskQueue =>
    new DiskQueue({
      directory,
      fsync,
      quota: { bytesMax: 1024 ** 3, bytes: 0 },
      clock: systemClock,
      onDamage: ({ path }) => console.error(`damage in ${path}`),
      onError: (error) => console.error(error),
    });
  try {
    const queue = open();
    const added = fill(queue, requests);
    await queue.close();
    const start = performance.now();
    const again = open();
    const reopenMs = performance.now() - start;
    const taken = drain(again, requests);
    await again.close();
    return { queue: name, ...added, "take+settle MB/s": taken, "reopen ms": reopenMs.toFixed(0) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function work(queue: RequestQueue, requests: number) {
  return { added: fill(queue, requests), taken: drain(queue, requests) };
}

function fill(queue: RequestQueue, requests: number) {
  const bytes = Buffer.alloc(REQUEST_BYTES, "kata");
  let slowestMs = 0;
  const start = performance.now();
  for (let count = 0; count < requests; count++) {
    const before = performance.now();
    const fault = queue.add({ bytes, points: 1_261 }, Date.now());
    if (fault !== undefined) throw new Error(fault);
    slowestMs = Math.max(slowestMs, performance.now() - before);
  }
  const ms = performance.now() - start;
  return {
    "add MB/s": megabytesPerS(requests, ms),
    "add µs": ((ms * 1_000) / requests).toFixed(0),
    "slowest add ms": slowestMs.toFixed(1),
  };
}

function drain(queue: RequestQueue, requests: number): string {
  const start = performance.now();
  let left = requests;
  for (let taken = queue.take(BATCH); taken.length > 0; taken = queue.take(BATCH)) {
    left -= taken.length;
    queue.acknowledge(taken);
  }
  if (left !== 0) throw new Error(`${left} of ${requests} requests are missing`);
  return megabytesPerS(requests, performance.now() - start);
}

function megabytesPerS(requests: number, ms: number): string {
  return ((requests * REQUEST_BYTES) / 1e3 / ms).toFixed(0);
}
