// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { MemoryQueue } from "./memory_queue.ts";
import type { PendingRequest } from "./queue.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const SMALL = { bytes: new Uint8Array(1), points: 1 };

/** Adds a request and lets it be delivered; what is left of it is the reference. */
function deliver(queue: MemoryQueue): WeakRef<Uint8Array> {
  const bytes = new Uint8Array(100_000);
  queue.add({ bytes, points: 1 }, 0);
  queue.acknowledge(queue.take({}));
  return new WeakRef(bytes);
}

test("what is delivered is let go at once, whether more waits behind it or nothing", async () => {
  for (const waiting of [0, 10]) {
    const queue = new MemoryQueue();
    const delivered = Array.from({ length: 50 }, () => deliver(queue));
    for (let count = 0; count < waiting; count++) queue.add(SMALL, 0);
    // References are kept to the end of the job in which they were made.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    assert.equal(delivered.filter((one) => one.deref() !== undefined).length, 0, `${waiting} wait`);
    assert.equal(queue.size.requests, waiting);
  }
});

test("requests leave in their order, put back or not, and sizes add up", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("add" as const), bytes: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ do: fc.constant("take" as const), bytes: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ do: fc.constantFrom("settle" as const, "putBack" as const), bytes: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: "max" }), (schedule) => {
      const queue = new MemoryQueue();
      const taken: (readonly PendingRequest[])[] = [];
      /** By sequence number: the bytes of what is in the queue. */
      const expected = new Map<number, number>();
      let sequence = 0;
      for (const { do: what, bytes } of schedule) {
        const [some] =
          what === "settle" || what === "putBack" ? taken.splice(bytes % (taken.length || 1), 1) : [];
        if (what === "add") {
          queue.add({ bytes: new Uint8Array(bytes), points: 1 }, sequence);
          expected.set(++sequence, bytes);
        } else if (what === "take") {
          const out = taken.flat().map((one) => one.sequence);
          const waiting = [...expected.keys()].filter((one) => !out.includes(one));
          const batch = queue.take({ bytes });
          assert.deepEqual(
            batch.map((one) => one.sequence),
            waiting.toSorted((one, other) => one - other).slice(0, batch.length),
          );
          assert.equal(batch.length > 0, waiting.length > 0);
          if (batch.length > 0) taken.push(batch);
        } else if (what === "settle") {
          queue.acknowledge(some ?? []);
          for (const one of some ?? []) expected.delete(one.sequence);
        } else queue.requeue(some ?? []);
        const all = [...expected.values()].reduce((sum, one) => sum + one, 0);
        assert.deepEqual(queue.size, { requests: expected.size, items: expected.size, bytes: all });
        assert.equal(queue.waiting.requests, expected.size - taken.flat().length);
      }
    }),
    { numRuns: 60 },
  );
});
