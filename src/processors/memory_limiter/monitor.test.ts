// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { FakeClock } from "../../clock/fake_clock.ts";
import { StatusBoard } from "../../pipeline/statuses.ts";
import { memoryLimiterSchema } from "./config.ts";
import { MemoryMonitor } from "./monitor.ts";

const MIB = 1024 * 1024;

/** Memory in MiB that the test sets. A collection lowers it to `floor`. */
interface FakeMemory {
  used: number;
  held: number;
  floor: number | undefined;
  readonly collections: string[];
}

/** A monitor with a hard limit of 100 MiB and a soft limit of 80 MiB that checks every second. */
function watching(input: object = {}) {
  const lines: string[] = [];
  const written: Record<string, unknown>[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      const line = JSON.parse(String(chunk));
      lines.push(line.msg);
      written.push(line);
      done();
    },
  });
  const clock = new FakeClock();
  const statuses = new StatusBoard(clock);
  statuses.arrange(new Map([["metrics", ["processor:memory_limiter"]]]), []);
  const memory: FakeMemory = { used: 50, held: 60, floor: undefined, collections: [] };
  const startedMs = clock.monotonicMs();
  const monitor = new MemoryMonitor({
    id: "memory_limiter",
    config: memoryLimiterSchema.parse({ check_interval: "1s", limit_mib: 100, ...input }),
    clock,
    logger: pino({ base: null }, output),
    memory: {
      read: () => ({
        usedBytes: memory.used * MIB,
        heldBytes: Math.max(memory.held, memory.used) * MIB,
        availableBytes: 1_000 * MIB,
        reachBytes: 1_000 * MIB,
      }),
      collect(thorough) {
        const seconds = (clock.monotonicMs() - startedMs) / 1_000;
        memory.collections.push(`${seconds}${thorough ? " thorough" : ""}`);
        memory.used = memory.floor ?? memory.used;
        return true;
      },
    },
  });
  const stop = monitor.start(statuses);
  return {
    monitor,
    statuses,
    stop,
    memory,
    clock,
    status: () => statuses.components().map(({ state, error }) => `${state} ${error}`.trim()),
    /** The fields of the last line with this message. */
    fields: (message: string) => written.findLast(({ msg }) => msg === message) ?? {},
    /** The lines of the log since the last call. */
    said: () => lines.splice(0),
    async after(seconds: number): Promise<boolean> {
      await clock.advance(seconds * 1_000);
      return monitor.isShort;
    },
  };
}

const SOFT = "Memory is above the soft limit; nothing is scraped.";
const HARD = "Memory is above the hard limit; nothing is scraped.";
const KEPT = "Freed memory that Node keeps is above the hard limit; scraping goes on.";
const BELOW = "Memory is below the soft limit again; readings are taken.";
const WATCHED = "Memory is being watched.";
const TOO_LOW =
  "The limit leaves too little memory to work with, and scrapes will be skipped; raise the option to least_mib.";
const COLLECTED = "Garbage has been collected.";

test("memory is short from the soft limit on, and not below it; each change is logged once", async () => {
  const { memory, after, said, status } = watching();
  assert.deepEqual(said(), ["Memory is being watched."]);
  memory.used = 79;
  assert.equal(await after(5), false);
  assert.deepEqual(said(), []);
  memory.used = 80;
  assert.equal(await after(4), true);
  assert.deepEqual(said(), [SOFT]);
  assert.deepEqual(status(), ["recoverable_error data refused due to high memory usage"]);
  memory.used = 79;
  assert.equal(await after(1), false);
  assert.deepEqual(said(), [BELOW]);
  assert.deepEqual(status(), ["ok"]);
});

test("memory is checked every check_interval, and not before", async () => {
  const { memory, after } = watching({ check_interval: "5s" });
  memory.used = 90;
  assert.equal(await after(4.9), false);
  assert.equal(await after(0.1), true);
});

test("if a collection helps, memory is not short", async () => {
  const { memory, after, said } = watching();
  memory.used = 90;
  memory.floor = 40;
  assert.equal(await after(9.5), true, "the first collection comes 10 s after the start");
  assert.deepEqual(memory.collections, []);
  assert.equal(await after(1), false);
  assert.deepEqual(memory.collections, ["10"]);
  assert.deepEqual(said(), ["Memory is being watched.", SOFT, COLLECTED, BELOW]);
});

test("above the soft limit collections are 10 s apart, and up to 30 s while they free nothing", async () => {
  const { memory, after, said } = watching();
  memory.used = 90;
  await after(130);
  assert.deepEqual(memory.collections, ["10", "20", "40", "70", "100", "130"]);
  assert.deepEqual(
    said().filter((line) => line !== COLLECTED),
    ["Memory is being watched.", SOFT],
  );
  memory.used = 50;
  await after(1);
  memory.used = 90;
  await after(40);
  assert.deepEqual(memory.collections.slice(6), ["140", "150", "170"], "memory was below the limit between");
});

test("above the hard limit every check collects, thoroughly, and less often while that frees nothing", async () => {
  const helping = watching();
  helping.memory.used = 110;
  helping.memory.floor = 70;
  assert.equal(await helping.after(1), false);
  assert.deepEqual(helping.memory.collections, ["1 thorough"]);
  helping.memory.used = 110;
  assert.equal(await helping.after(1), false);
  assert.deepEqual(helping.memory.collections, ["1 thorough", "2 thorough"]);

  const { memory, after, said } = watching();
  memory.used = 110;
  assert.equal(await after(70), true);
  const times = memory.collections.map((text) => Number.parseInt(text, 10));
  assert.deepEqual(times, [1, 2, 4, 8, 16, 32, 62]);
  memory.used = 90;
  await after(1);
  memory.used = 60;
  await after(1);
  const wanted = ["Memory is being watched.", HARD, SOFT, BELOW];
  assert.deepEqual(
    said().filter((line) => line !== COLLECTED),
    wanted,
  );
});

test("without growth the intervals stay as they are", async () => {
  const soft = watching({ max_gc_interval_when_soft_limited: "0s" });
  soft.memory.used = 90;
  await soft.after(40);
  assert.deepEqual(soft.memory.collections, ["10", "20", "30", "40"]);
  const hard = watching({
    min_gc_interval_when_hard_limited: "3s",
    max_gc_interval_when_hard_limited: "0s",
  });
  hard.memory.used = 110;
  await hard.after(10);
  assert.deepEqual(hard.memory.collections, ["3 thorough", "6 thorough", "9 thorough"]);
});

test("free memory that the process keeps does not stop scraping, and one collection tries to give it back", async () => {
  const { memory, after, said } = watching();
  memory.used = 95;
  memory.held = 120;
  await after(1);
  assert.deepEqual(said(), ["Memory is being watched.", SOFT]);
  memory.used = 50;
  assert.equal(await after(60), false);
  assert.deepEqual(memory.collections, ["2 thorough"]);
  assert.deepEqual(said(), [COLLECTED, KEPT]);
  memory.held = 60;
  await after(1);
  assert.deepEqual(said(), ["Node has given memory back; all of it is below the hard limit again."]);
});

test("one monitor serves several pipelines, and ends with the last of them", async () => {
  const { monitor, statuses, stop, memory, clock, after, status } = watching();
  const other = new StatusBoard(clock);
  other.report = () => assert.fail("an instance that has ended has nothing to say");
  const stopOther = monitor.start(other);
  assert.equal(clock.timerCount, 1);
  stopOther();
  stopOther();
  memory.used = 90;
  assert.equal(await after(1), true);
  assert.deepEqual(status(), ["recoverable_error data refused due to high memory usage"]);
  stop();
  assert.equal(clock.timerCount, 0);
  assert.equal(monitor.isShort, false);
  const again = monitor.start(statuses);
  assert.equal(await after(1), true);
  again();
});

test("a limit that leaves too little to work with is a warning at the start, with the least that works", () => {
  const check = (used: number, floor: number, input: object, wanted: readonly unknown[]): void => {
    const { stop, statuses, monitor, memory, said, fields } = watching(input);
    stop();
    said();
    Object.assign(memory, { used, floor });
    const end = monitor.start(statuses);
    const { option, least_mib } = fields(TOO_LOW);
    assert.deepEqual([said().at(-1), option, least_mib], wanted);
    end();
  };
  const fine = [WATCHED, undefined, undefined];
  check(64, 64, {}, fine);
  check(200, 64, {}, fine);
  check(65, 65, {}, [TOO_LOW, "limit_mib", 102]);
  check(300, 120, { spike_limit_mib: 60 }, [TOO_LOW, "limit_mib", 196]);
  const container = "memory limit of the container";
  check(100, 100, { limit_mib: 0, limit_percentage: 10, spike_limit_percentage: 5 }, [
    TOO_LOW,
    container,
    2_320,
  ]);
});
