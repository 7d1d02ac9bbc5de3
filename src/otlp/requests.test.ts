// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Interner } from "../metrics/interner.ts";
import type { Reading, Resource } from "../metrics/model.ts";
import { createOtlpEncoder, type OtlpRequest } from "./encode.ts";
import { ExportMetricsServiceRequestSchema } from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { OtlpRequests } from "./requests.ts";

const interner = new Interner();

function resource(id: string, pod = "pod"): Resource {
  return { key: id, attributes: [{ key: "pod", value: pod }] };
}

/** A reading of gauges with one point each and the same value. */
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

function requesting({ requestBytesMax = 4_000_000, marksEnds = true } = {}) {
  const requests: OtlpRequest[] = [];
  const unsound: string[] = [];
  const state = { hasRoom: true };
  const consumer = new OtlpRequests({
    encoder: createOtlpEncoder({ name: "test", version: "0" }),
    requestBytesMax,
    marksEnds,
    onUnsound: (families) => unsound.push(...families.map(({ name }) => name)),
    emit(request) {
      if (state.hasRoom) requests.push(request);
      return state.hasRoom;
    },
  });
  return {
    consumer,
    state,
    requests,
    /** The families of the points that were left out. */
    unsound,
    /** The entries, each as `pod: name@time …`. An ended point has a minus in front. */
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

test("each reading is a request, and requests put one behind the other are one", () => {
  const { consumer, requests, taken } = requesting();
  consumer.consume(reading(resource("a", "p1"), "x y", 1));
  consumer.consume(reading(resource("b", "p2"), "x", 2));
  assert.deepEqual(
    requests.map(({ points }) => points),
    [2, 1],
  );
  const joined = Buffer.concat(requests.map(({ bytes }) => bytes));
  requests.splice(0, 2, { bytes: joined, points: 3, endPoints: 0 });
  assert.deepEqual(taken(), ["p1: x@1 y@1", "p2: x@2"]);
});

test("a reading that is too large for one request becomes several, which count its points and no ends", () => {
  const { consumer, requests, taken } = requesting({ requestBytesMax: 300 });
  const names = Array.from({ length: 30 }, (_, index) => `metric_${index}`);
  consumer.consume(reading(resource("a"), "gone_1 gone_2 gone_3", 0));
  requests.splice(0);
  consumer.consume(reading(resource("a"), names.join(" "), 1));
  assert.ok(requests.length > 2);
  const sum = (of: (request: OtlpRequest) => number): number =>
    requests.reduce((all, one) => all + of(one), 0);
  assert.equal(
    sum(({ points }) => points),
    30,
  );
  assert.equal(
    sum(({ endPoints }) => endPoints),
    3,
  );
  for (const { bytes } of requests) assert.ok(bytes.length <= 300, `${bytes.length} bytes`);
  assert.equal(
    taken()
      .join(" ")
      .match(/metric_/g)?.length,
    30,
  );
});

test("if a reading is lost, the ends of series before it are sent again", () => {
  const { consumer, state, taken } = requesting();
  const a = resource("a");
  consumer.consume(reading(a, "x y", 1));
  state.hasRoom = false;
  consumer.consume(reading(a, "x", 2));
  state.hasRoom = true;
  consumer.consume(reading(a, "x", 3));
  assert.deepEqual(taken(), ["pod: x@1 y@1", "pod: -y@3", "pod: x@3"]);
});

test("requests name their resource, and say whether they are its end", () => {
  const { consumer, requests } = requesting();
  const a = resource("a");
  consumer.consume(reading(a, "x", 10));
  consumer.end({ resource: a, timeMs: 20 });
  assert.deepEqual(
    requests.map(({ source, isEnd }: OtlpRequest & { source?: string; isEnd?: boolean }) => [source, isEnd]),
    [
      ["a", undefined],
      ["a", true],
    ],
  );
});

test("a resource that is gone ends after its last reading, once", () => {
  const { consumer, taken } = requesting();
  const a = resource("a");
  consumer.consume(reading(a, "x y", 10));
  consumer.end({ resource: a, timeMs: 20 });
  consumer.end({ resource: a, timeMs: 30 });
  consumer.end({ resource: resource("never seen"), timeMs: 30 });
  assert.deepEqual(taken(), ["pod: x@10 y@10", "pod: -x@20 -y@20"]);
  consumer.consume(reading(a, "x", 40));
  consumer.end({ resource: a, timeMs: 40 });
  assert.deepEqual(taken(), ["pod: x@40", "pod: -x@41"], "never two points of one time");
});

test("series that a resource stops reporting end with the reading that lacks them", () => {
  const { consumer, taken } = requesting();
  const a = resource("a");
  consumer.consume(reading(a, "up guest", 1));
  consumer.consume(reading(a, "up", 2));
  consumer.consume(reading(a, "up", 3));
  consumer.consume(reading(a, "up guest", 4));
  consumer.end({ resource: a, timeMs: 5 });
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
  const { consumer, taken } = requesting();
  consumer.consume(reading(resource("a", "unknown"), "x y", 1));
  consumer.consume(reading(resource("a", "web-1"), "x", 2));
  consumer.consume(reading(resource("a", "web-1"), "x", 3));
  consumer.end({ resource: resource("a", "web-1"), timeMs: 4 });
  assert.deepEqual(taken(), [
    "unknown: x@1 y@1",
    "unknown: -x@2 -y@2",
    "web-1: x@2",
    "web-1: x@3",
    "web-1: -x@4",
  ]);
});

test("without markers no series ends, neither those that a reading lacks nor those of a resource that is gone", () => {
  const { consumer, taken } = requesting({ marksEnds: false });
  consumer.consume(reading(resource("a", "p1"), "x y", 1));
  consumer.consume(reading(resource("a", "p1"), "x", 2));
  consumer.consume(reading(resource("a", "p2"), "x", 3));
  consumer.end({ resource: resource("a", "p2"), timeMs: 4 });
  assert.deepEqual(taken(), ["p1: x@1 y@1", "p1: x@2", "p2: x@3"]);
});

test("a point that is no count is not sent, and its series ends until it is one again", () => {
  const { consumer, requests, unsound, taken } = requesting();
  const points = ["a", "b"].map((value) => ({
    attributes: [{ key: "item", value }],
    bounds: [],
    boundTexts: [],
  }));
  const family = interner.family({ name: "sum", kind: "sum", unit: "", help: "", points });
  const schema = interner.schema([family]);
  const sum = (timeMs: number, ...values: readonly number[]): Reading => {
    return { resource: resource("a"), schema, values: Float64Array.from(values), timeMs, startMs: 0 };
  };
  const said: string[] = [];
  for (const one of [
    sum(1, 5, 6),
    sum(2, -5, 6),
    sum(3, Number.NaN, 7),
    sum(4, 5, Number.POSITIVE_INFINITY),
  ]) {
    consumer.consume(one);
    said.push(requests.map((request) => `${request.points} points, ${request.endPoints} ends`).join());
    said.push(...sumsOf(requests.splice(0)));
  }
  assert.deepEqual(said, [
    "2 points, 0 ends",
    "sum a 5",
    "sum b 6",
    "1 points, 1 ends",
    "-sum a",
    "sum b 6",
    "1 points, 0 ends",
    "sum b 7",
    "1 points, 1 ends",
    "-sum b",
    "sum a 5",
  ]);
  assert.deepEqual(unsound, ["sum", "sum", "sum"]);
  consumer.consume(sum(5, -1, -1));
  assert.equal(requests.length, 1, "where no point is left, the ends are all there is to say");
  assert.deepEqual(taken().length, 1);
});

/** The points of sums, each as `sum item value`. An ended point has a minus in front. */
function sumsOf(requests: readonly OtlpRequest[]): string[] {
  return requests
    .flatMap(({ bytes }) => fromBinary(ExportMetricsServiceRequestSchema, bytes).resourceMetrics)
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .flatMap(({ name, data }) => {
      assert.ok(data.case === "sum" && data.value.isMonotonic);
      return data.value.dataPoints.map(({ attributes, flags, value }) => {
        const item = attributes[0]?.value?.value.value;
        return flags === 1 ? `-${name} ${item}` : `${name} ${item} ${value.value}`;
      });
    });
}
