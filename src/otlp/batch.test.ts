import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ExportMetricsServiceRequestSchema } from "../../test/generated/otlp/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { Interner } from "../metrics/interner.ts";
import type { Reading, Resource } from "../metrics/model.ts";
import { OtlpBatch } from "./batch.ts";
import { createOtlpEncoder, type OtlpRequest } from "./encode.ts";

const interner = new Interner();

function resource(id: string, pod = "pod"): Resource {
  return { key: id, attributes: [{ key: "pod", value: pod }] };
}

/** A reading of gauges with one point each, all of one value. */
function reading(of: Resource, names: string, timeMs: number): Reading {
  const families = names.split(" ").map((name) =>
    interner.family({
      name,
      kind: "gauge",
      unit: "",
      help: "",
      points: [{ attributes: [], bounds: [], boundTexts: [] }],
    }),
  );
  const schema = interner.schema(families);
  return { resource: of, schema, values: new Float64Array(schema.width).fill(1), timeMs, startMs: 0 };
}

function batching(requestBytesMax = 4_000_000) {
  const clock = new FakeClock();
  const requests: OtlpRequest[] = [];
  const batch = new OtlpBatch({
    encoder: createOtlpEncoder({ name: "test", version: "0" }),
    clock,
    flushTimeoutMs: 200,
    requestBytesMax,
    emit: (request) => requests.push(request),
  });
  return {
    batch,
    clock,
    requests,
    /** Each entry as `pod: name@time …`, an ended point with a minus in front. */
    taken(): string[] {
      return requests.splice(0).flatMap(({ bytes }) =>
        fromBinary(ExportMetricsServiceRequestSchema, bytes).resourceMetrics.map((entry) => {
          const metrics = entry.scopeMetrics.flatMap((scope) => scope.metrics);
          const points = metrics.map(({ name, data }) => {
            const point = data.case === "gauge" ? data.value.dataPoints[0] : undefined;
            return `${point?.flags === 1 ? "-" : ""}${name}@${(point?.timeUnixNano ?? 0n) / 1_000_000n}`;
          });
          return `${entry.resource?.attributes[0]?.value?.value.value}: ${points.join(" ")}`;
        }),
      );
    },
  };
}

test("readings are gathered until the timeout, then go out in one request", async () => {
  const { batch, clock, requests, taken } = batching();
  batch.consume(reading(resource("a", "p1"), "x y", 1));
  await clock.advance(199);
  batch.consume(reading(resource("b", "p2"), "x", 2));
  assert.equal(requests.length, 0);
  await clock.advance(1);
  assert.equal(requests.length, 1);
  assert.equal(requests[0]?.points, 3);
  assert.deepEqual(taken(), ["p1: x@1 y@1", "p2: x@2"]);
  assert.equal(clock.timerCount, 0);
});

test("a full request goes out before the timeout", () => {
  const { batch, requests } = batching(1_000);
  for (let i = 0; i < 100; i++) batch.consume(reading(resource(String(i)), "x y z", i));
  assert.ok(requests.length > 5);
  for (const { bytes } of requests) assert.ok(bytes.length <= 1_000 && bytes.length > 700);
});

test("a resource that is gone ends after its last reading, once", async () => {
  const { batch, clock, taken } = batching();
  const a = resource("a");
  batch.consume(reading(a, "x y", 10));
  batch.end({ resource: a, timeMs: 20 });
  batch.end({ resource: a, timeMs: 30 });
  batch.end({ resource: resource("never seen"), timeMs: 30 });
  await clock.advance(200);
  assert.deepEqual(taken(), ["pod: x@10 y@10", "pod: -x@20 -y@20"]);
  batch.consume(reading(a, "x", 40));
  batch.end({ resource: a, timeMs: 40 });
  batch.flush();
  assert.deepEqual(taken(), ["pod: x@40", "pod: -x@41"], "never two points of one time");
});

test("series that a resource stops reporting end with the reading that lacks them", () => {
  const { batch, taken } = batching();
  const a = resource("a");
  batch.consume(reading(a, "up guest", 1));
  batch.consume(reading(a, "up", 2));
  batch.consume(reading(a, "up", 3));
  batch.consume(reading(a, "up guest", 4));
  batch.end({ resource: a, timeMs: 5 });
  batch.flush();
  assert.deepEqual(taken(), [
    "pod: up@1 guest@1",
    "pod: -guest@2",
    "pod: up@2",
    "pod: up@3",
    "pod: up@4 guest@4",
    "pod: -up@5 -guest@5",
  ]);
});

test("a resource with new attributes is another one to receivers: the old one's series end", () => {
  const { batch, taken } = batching();
  batch.consume(reading(resource("a", "unknown"), "x y", 1));
  batch.consume(reading(resource("a", "web-1"), "x", 2));
  batch.consume(reading(resource("a", "web-1"), "x", 3));
  batch.end({ resource: resource("a", "web-1"), timeMs: 4 });
  batch.flush();
  assert.deepEqual(taken(), [
    "unknown: x@1 y@1",
    "unknown: -x@2 -y@2",
    "web-1: x@2",
    "web-1: x@3",
    "web-1: -x@4",
  ]);
});

test("closing emits what is held, leaves no timer and takes no more", () => {
  const { batch, clock, taken } = batching();
  const a = resource("a");
  assert.equal(batch.consume(reading(a, "x", 1)), "accepted");
  batch.close();
  assert.deepEqual(taken(), ["pod: x@1"]);
  assert.equal(batch.consume(reading(a, "x", 2)), "refused");
  batch.end({ resource: a, timeMs: 3 });
  batch.close();
  assert.deepEqual(taken(), []);
  assert.equal(clock.timerCount, 0);
});
