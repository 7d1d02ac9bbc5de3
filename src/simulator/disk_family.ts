// SPDX-License-Identifier: Apache-2.0
import { DISK_ITEMS } from "./catalogue.ts";
import { type FamilyShape, gridOf, type Step } from "./family_shape.ts";
import { eventsWithin, RARELY } from "./motion.ts";

/** The load on a disk. */
export interface DiskLoad {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  readonly readKib: number;
  readonly writeKib: number;
  /** Requests in flight, on average. A disk with 1 or more is busy all the time. */
  readonly queue: number;
}

const SECTORS_PER_KIB = 2;
const UPTIME_MS = 3_600_000;

/**
 * Makes the family of a guest's disks. Only the first disk has load: its requests, sectors, times and queue fit each
 * other. The others are RAM and loop devices of the guest's kernel, whose numbers seldom change.
 */
export function diskFamily(disks: readonly string[], load: DiskLoad): FamilyShape {
  const columns = new Map(DISK_ITEMS.map((item, column) => [item, column]));
  const use = (numbers: Float64Array, at: number, step: Step): void => {
    const change = (item: string, to: (value: number) => number): void => {
      const column = at + (columns.get(item) ?? 0);
      numbers[column] = to(numbers[column] ?? 0);
    };
    for (const [item, amount] of usage(load, step)) change(item, (value) => value + amount);
    for (const item of RARE_ITEMS) change(item, (value) => RARELY.next(value, step.random, step.elapsedMs));
    change("in_progress", () => Math.floor(load.queue * (0.5 + step.random()) + step.random()));
  };
  return {
    ...gridOf(
      { name: "kata_guest_diskstat", type: "gauge", help: "Disks of the guest." },
      { label: "disk", things: disks, items: DISK_ITEMS },
    ),
    start(numbers, at, random) {
      numbers.fill(0, at, at + disks.length * DISK_ITEMS.length);
      if (disks.length > 0) use(numbers, at, { random, elapsedMs: random() * UPTIME_MS });
    },
    move(numbers, at, step) {
      if (disks.length > 0) use(numbers, at, step);
      for (let column = at + DISK_ITEMS.length; column < at + disks.length * DISK_ITEMS.length; column++)
        numbers[column] = RARELY.next(numbers[column] ?? 0, step.random, step.elapsedMs);
    },
  };
}

const RARE_ITEMS = ["discards", "discards_merged", "sectors_discarded", "time_discarding"];
/** The share of the requests that were merged into another one. */
const MERGED_SHARE = 0.2;

/** Returns how much each counter of a disk with this load grows in one step. */
function usage(load: DiskLoad, { random, elapsedMs }: Step): (readonly [item: string, amount: number])[] {
  const reads = eventsWithin(elapsedMs, load.readsPerSecond, random);
  const writes = eventsWithin(elapsedMs, load.writesPerSecond, random);
  const flushes = eventsWithin(elapsedMs, load.writesPerSecond / 4, random);
  // By Little's law, the requests in flight are the rate of requests times the time that each takes.
  const eachMs = (load.queue * 1_000) / (load.readsPerSecond + load.writesPerSecond);
  const busyMs = elapsedMs * Math.min(1, load.queue);
  return [
    ["reads", reads],
    ["merged", Math.floor(reads * MERGED_SHARE)],
    ["sectors_read", Math.round(reads * load.readKib * SECTORS_PER_KIB)],
    ["time_reading", Math.round(reads * eachMs)],
    ["writes", writes],
    ["writes_merged", Math.floor(writes * MERGED_SHARE)],
    ["sectors_written", Math.round(writes * load.writeKib * SECTORS_PER_KIB)],
    ["time_writing", Math.round(writes * eachMs)],
    ["flushes", flushes],
    ["time_flushing", Math.round(flushes * Math.min(eachMs, busyMs))],
    ["time_in_progress", Math.round(busyMs)],
    ["weighted_time_in_progress", Math.round(Math.max(busyMs, (reads + writes) * eachMs))],
  ];
}
