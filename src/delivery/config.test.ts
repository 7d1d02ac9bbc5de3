// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { queueSchema } from "./config.ts";
import { retrySchema } from "./retry_config.ts";

/** The queue that the input makes, as far as `want` says; or the fault, if `want` is a text. */
function check(input: object, want: object | string): void {
  const result = queueSchema.safeParse(input);
  if (typeof want === "string") {
    const [issue] = result.error?.issues ?? [];
    assert.equal(`${issue?.path.join("::")}: ${issue?.message}`, want, JSON.stringify(input));
  } else {
    assert.ok(result.success, JSON.stringify([input, result.error?.issues]));
    assert.partialDeepStrictEqual(result.data, want, JSON.stringify(input));
  }
}

test("a size with a unit is in bytes; a number is what it is in the Collector", () => {
  check({}, { queueSize: 64 * 1024 ** 2, sizer: "bytes", overflow: "refuse_newest", maxAgeMs: 0 });
  check({ queue_size: "128MiB" }, { queueSize: 128 * 1024 ** 2, sizer: "bytes" });
  check({ queue_size: 5_000 }, { queueSize: 5_000, sizer: "requests" });
  check({ queue_size: 5_000_000, sizer: "bytes" }, { queueSize: 5_000_000, sizer: "bytes" });
  check({ sizer: "requests" }, { queueSize: 1_000, sizer: "requests" });
  check({ sizer: "items", queue_size: 50_000 }, { queueSize: 50_000, sizer: "items" });
  check({ queue_size: "1GiB", sizer: "requests" }, "queue_size: is in bytes, and sizer says requests");
  check(
    { queue_size: "1MiB" },
    "queue_size: must hold the largest request; its unit is bytes, and a request can have 4000000",
  );
  check({ queue_size: 0 }, "queue_size: must be positive");
});

test("a batch is bounded in bytes whatever else bounds it, and goes out when it is full or its time is over", () => {
  check({}, { batch: { flushTimeoutMs: 200, min: { bytes: 4_000_000 }, maxBytes: 4_000_000 } });
  check(
    { batch: { min_size: 1_000, max_size: 5_000 } },
    { batch: { min: { items: 1_000 }, maxBytes: 4_000_000, maxItems: 5_000 } },
  );
  check({ batch: { max_size: 5_000 } }, { batch: { min: { items: 5_000 }, maxItems: 5_000 } });
  check(
    { batch: { max_size: 0, min_size: 8_192 } },
    { batch: { min: { items: 8_192 }, maxBytes: 4_000_000 } },
  );
  check(
    { batch: { max_size: "2MiB" } },
    { batch: { min: { bytes: 2 * 1024 ** 2 }, maxBytes: 2 * 1024 ** 2 } },
  );
  check({ batch: { max_size: 2_000_000, sizer: "bytes" } }, { batch: { maxBytes: 2_000_000 } });
  check({ batch: { sizer: "requests" } }, 'batch::sizer: must be "items" or "bytes"');
  check({ batch: { min_size: 10, max_size: 5 } }, "batch::min_size: must be at most max_size");
  check({ batch: { max_size: "1KiB" } }, "batch::max_size: must be at least 65536 bytes");
});

test("a full queue may hold up a receiver, and so may a destination", () => {
  check({ block_on_overflow: true }, { blockOnOverflow: true });
  check({ enabled: false, storage: "s" }, "storage: needs the queue, which enabled: false turns off");
  check(
    { block_on_overflow: true, overflow: "drop_oldest" },
    "block_on_overflow: cannot go with overflow: drop_oldest, which always makes room",
  );
  check({ wait_for_result: true }, { waitForResult: true });
  check(
    { wait_for_result: true, storage: "s" },
    "wait_for_result: is not supported with a persistent queue configured with storage",
  );
});

test("what needs the queue is refused without one, and a backlog must leave faster than readings come in", () => {
  const off = "needs the queue, which enabled: false turns off";
  check({ enabled: false, block_on_overflow: true }, `block_on_overflow: ${off}`);
  check({ enabled: false, start_spread: "1s" }, `start_spread: ${off}`);
  check({ enabled: false, storage: "file_storage" }, `storage: ${off}`);
  check({ backlog_rate: 0 }, { backlogRate: 0 });
  check({ backlog_rate: 1.5 }, { backlogRate: 1.5 });
  const slow = "a backlog that leaves no faster than readings come in never ends";
  check({ backlog_rate: 1 }, `backlog_rate: must be 0 for no limit, or at least 1.5: ${slow}`);
});

test("statuses are numbers of HTTP or names of gRPC, and stand in one of the lists only", () => {
  const check = (input: object, want: string | object): void => {
    const result = retrySchema.safeParse(input);
    if (typeof want !== "string") assert.deepEqual(result.data?.rules, want);
    else
      assert.equal(`${result.error?.issues[0]?.path.join("::")}: ${result.error?.issues[0]?.message}`, want);
  };
  check({}, { retryable: new Set(), dropped: new Set() });
  check(
    { retryable_status_codes: [404, "NOT_FOUND"], dropped_status_codes: [500] },
    { retryable: new Set(["404", "NOT_FOUND"]), dropped: new Set(["500"]) },
  );
  const message = "must be an HTTP status such as 404, or a gRPC status such as NOT_FOUND";
  check({ dropped_status_codes: ["FOUND"] }, `dropped_status_codes::0: ${message}`);
  check({ dropped_status_codes: [200] }, "dropped_status_codes::0: Too small: expected number to be >=300");
  check(
    { retryable_status_codes: [404], dropped_status_codes: [404] },
    "dropped_status_codes: has 404, which is in retryable_status_codes too",
  );
});
