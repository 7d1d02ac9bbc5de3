// SPDX-License-Identifier: Apache-2.0
import { ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { createOtlpEncoder, type OtlpEncoder } from "../../src/otlp/encode.ts";
import { OtlpRequests } from "../../src/otlp/requests.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import { createPage } from "../../src/simulator/pages.ts";
import { toSdkMetrics } from "../kit/oracle/otel_sdk.ts";
import type { SampleRow } from "./main.ts";
import { toResourceMetrics } from "./naive_otel.ts";
import { naiveParse } from "./naive_parse.ts";

const SANDBOXES = 250;
const REQUEST_BYTES_MAX = 4_000_000;
const ROUNDS_MIN = 10;
const MEASURED_MS = 1_500;
const SCOPE = { name: "kata-collector", version: "0.1.0" };
const TIME_MS = 1_700_000_000_000;
const START_MS = 1_699_999_000_000;

/** Measures the making of OTLP requests of full-size Go pages, and the OpenTelemetry SDK's serializer on the same data. */
export function benchOtlp(): SampleRow[] {
  const { read, texts, samples } = makeNode();
  const encoder = createOtlpEncoder(SCOPE);
  const encode = (readings: readonly Reading[]): number =>
    encoder
      .encode(
        readings.map((one) => encoder.reading(one, undefined)),
        REQUEST_BYTES_MAX,
      )
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  const readings = read(0);
  const ours = measure(samples, () => encode(readings));
  const followed = measure(samples, following(encoder, readings));
  const parsed = measure(samples, (round) => encode(read(round)));
  const sdkInput = readings.map((reading) => toSdkMetrics(reading, SCOPE));
  const sdk = measure(samples, () =>
    sdkInput.reduce(
      (sum, input) => sum + (ProtobufMetricsSerializer.serializeRequest(input)?.length ?? 0),
      0,
    ),
  );
  // Fewer pages are enough, since the cost per sample does not depend on their number.
  const few = texts.slice(0, SANDBOXES / 10);
  const naive = measure(samples / 10, () =>
    few.reduce((sum, text) => {
      const input = toResourceMetrics([{ samples: naiveParse(text), identity: {} }]);
      return sum + (ProtobufMetricsSerializer.serializeRequest(input)?.length ?? 0);
    }, 0),
  );
  return [
    { name: "encode OTLP", ...ours },
    { name: "the same as an exporter does it: start times and ends followed", ...followed },
    { name: "parse the pages + encode OTLP", ...parsed },
    { name: "the OTel SDK's ProtobufMetricsSerializer, given its objects", ...sdk },
    { name: "parse to objects + ProtobufMetricsSerializer", ...naive },
  ];
}

/** Makes the requests of the readings, one by one; returns the number of their bytes. */
function following(encoder: OtlpEncoder, readings: readonly Reading[]): () => number {
  let bytes = 0;
  const emit = (request: { readonly bytes: Uint8Array }): boolean => {
    bytes += request.bytes.length;
    return true;
  };
  const requests = new OtlpRequests({
    onUnsound: () => {},
    encoder,
    requestBytesMax: REQUEST_BYTES_MAX,
    marksEnds: true,
    emit,
  });
  return () => {
    bytes = 0;
    for (const reading of readings) requests.consume(reading);
    return bytes;
  };
}

/** Returns the median of the rounds. The first ones, in which code is compiled, do not count. */
function measure(
  samples: number,
  encode: (round: number) => number,
): { nsPerSample: number; mbPerS: number } {
  const times: number[] = [];
  let bytes = 0;
  const begin = performance.now();
  for (let round = 0; round < ROUNDS_MIN || performance.now() - begin < MEASURED_MS; round++) {
    const roundBegin = performance.now();
    bytes = encode(round);
    times.push(performance.now() - roundBegin);
  }
  const warm = times.slice(times.length >> 1).sort((a, b) => a - b);
  const medianMs = warm[warm.length >> 1] ?? Number.NaN;
  return { nsPerSample: (medianMs * 1e6) / samples, mbPerS: bytes / 1e3 / medianMs };
}

/** Makes a node's pages as its shims send them: with shuffled blocks and changing values. */
function makeNode(): {
  read: (round: number) => Reading[];
  readonly texts: readonly Buffer[];
  readonly samples: number;
} {
  const interner = new Interner();
  const parser = new PageParser({ interner, limits: defaultParseLimits });
  const sandboxes = Array.from({ length: SANDBOXES }, (_, seed) => {
    const page = createPage({ flavor: "go", seed });
    const attributes = [
      { key: "kata.sandbox.id", value: seed.toString(16).padStart(64, "0") },
      { key: "k8s.pod.name", value: `pod-${seed}` },
      { key: "k8s.namespace.name", value: "default" },
    ];
    const scrapes = [page.render(), page.render()];
    return { source: parser.source([]), resource: { key: `kata/${seed}`, attributes }, page, scrapes };
  });
  return {
    texts: sandboxes.flatMap(({ scrapes }) => scrapes.slice(0, 1)),
    samples: sandboxes.reduce((sum, { page }) => sum + page.samples, 0),
    read: (round) =>
      sandboxes.map(({ source, resource, scrapes }) => {
        const page = scrapes[round % 2] ?? Buffer.alloc(0);
        const { schema, values } = source.parse(page, page.length);
        return { resource, schema, values, timeMs: TIME_MS, startMs: START_MS };
      }),
  };
}
