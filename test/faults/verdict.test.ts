// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { ExportMetricsServiceRequestSchema } from "../../src/otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { Ledger } from "./ledger.ts";
import { slopeOf } from "./plot.ts";
import { assertNothingLost, type Interruption, judge } from "./verdict.ts";

/** Makes a request with readings of sandbox "a" at these times, whose guest had these counts. */
function request(readings: readonly (readonly [timeMs: number, guestCount: number])[]): Uint8Array {
  const key = "kata.sandbox.id";
  const resource = { attributes: [{ key, value: { value: { case: "stringValue", value: "a" } as const } }] };
  const dataPoints = readings.map(([timeMs, guestCount]) => ({
    timeUnixNano: BigInt(timeMs) * 1_000_000n,
    value: { case: "asDouble", value: guestCount } as const,
  }));
  const data = { case: "sum", value: { dataPoints } } as const;
  const metrics = [{ name: "kata_agent_scrape_count", data }];
  return toBinary(
    ExportMetricsServiceRequestSchema,
    create(ExportMetricsServiceRequestSchema, {
      resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }],
    }),
  );
}

function ledgerOf(...requests: Uint8Array[]): Ledger {
  const ledger = new Ledger();
  for (const one of requests) ledger.add(one);
  return ledger;
}

const killAt = (timeMs: number): Interruption => ({ fromMs: timeMs, toMs: timeMs + 1 });

test("points that are received again are counted as duplicates", () => {
  const ledger = ledgerOf(
    request([
      [1, 1],
      [2, 2],
    ]),
    request([
      [2, 2],
      [3, 3],
    ]),
  );
  assert.deepEqual([ledger.points, ledger.unique, ledger.duplicates], [4, 3, 1]);
});

test("a point that was on disk and was not received is missing", () => {
  const received = ledgerOf(
    request([
      [1, 1],
      [2, 2],
    ]),
  );
  const onDisk = ledgerOf(
    request([
      [2, 2],
      [3, 3],
    ]),
  );
  const verdict = judge({ received, onDisk, interruptions: [killAt(3)] });
  assert.equal(verdict.missing, 1);
  assert.throws(() => assertNothingLost(verdict), /every point that was on disk is received/);
});

test("a gap in a guest's count must be explained by an interruption", () => {
  const received = ledgerOf(
    request([
      [10, 1],
      [20, 2],
      [40, 4],
    ]),
  );
  const explained = judge({ received, interruptions: [killAt(30)] });
  assert.deepEqual([explained.neverAccepted, explained.unexplained], [1, []]);
  for (const interruptions of [[], [killAt(5)], [killAt(50)]]) {
    const verdict = judge({ received, interruptions });
    assert.equal(verdict.unexplained.length, 1);
    assert.throws(() => assertNothingLost(verdict), /hole/);
  }
});

test("an interruption explains one reading of a sandbox and no more", () => {
  const received = ledgerOf(
    request([
      [10, 1],
      [40, 4],
    ]),
  );
  assert.equal(judge({ received, interruptions: [killAt(30)] }).unexplained.length, 1);
  assert.equal(judge({ received, interruptions: [killAt(20), killAt(30)] }).neverAccepted, 2);
});

test("an interruption of other sandboxes explains nothing", () => {
  const received = ledgerOf(
    request([
      [10, 1],
      [40, 3],
    ]),
  );
  const of = (id: string): Interruption => ({ ...killAt(20), sandboxIds: [id] });
  assert.equal(judge({ received, interruptions: [of("a")] }).neverAccepted, 1);
  assert.equal(judge({ received, interruptions: [of("b")] }).unexplained.length, 1);
});

test("the first and the last reading that a guest served must be received", () => {
  const received = ledgerOf(
    request([
      [10, 2],
      [20, 3],
    ]),
  );
  assert.equal(judge({ received, interruptions: [] }).unexplained.length, 1, "the first one is missing");
  const servedCounts = new Map([["a", 4]]);
  assert.equal(
    judge({ received, interruptions: [killAt(5)], servedCounts }).unexplained.length,
    1,
    "so does the last",
  );
});

test("peaks do not change the slope of a line", () => {
  const seconds = Array.from({ length: 50 }, (_, index) => index);
  const values = seconds.map((second) => 2 * second + (second % 10 === 0 ? 1_000 : 0));
  assert.ok(Math.abs(slopeOf(seconds, values) - 2) < 1e-9);
});
