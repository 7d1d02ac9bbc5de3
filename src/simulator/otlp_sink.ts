// SPDX-License-Identifier: Apache-2.0
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { rawMethod } from "./raw_method.ts";

/** The contents of one pushed request. */
export interface PushedRequest {
  readonly resources: number;
  readonly points: number;
  /** The number of points with the flag "no recorded value", which end their series. */
  readonly endedPoints: number;
}

export interface OtlpSink {
  /** `127.0.0.1:port` */
  readonly endpoint: string;
  close(): void;
}

/** Starts a destination for the demo: a real OTLP gRPC server that counts the points of each request and keeps nothing. */
export async function startOtlpSink(onDelivery: (delivery: PushedRequest) => void): Promise<OtlpSink> {
  const server = new Server({ "grpc.max_receive_message_length": 4 * 1024 * 1024 });
  const method = rawMethod("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
  server.addService(
    { export: method },
    {
      export(call: { request: Buffer }, answer: (error: null, response: Buffer) => void) {
        onDelivery(countRequest(call.request));
        answer(null, Buffer.alloc(0));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { endpoint: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

// Field numbers of opentelemetry/proto/metrics/v1/metrics.proto.
const RESOURCE_METRICS = 1;
const SCOPE_METRICS = 2;
const METRICS = 2;
/**
 * For each kind of metric (gauge, sum, histogram, summary): the field of its body, and the field of the flags in its
 * points.
 */
const FLAGS_FIELD: ReadonlyMap<number, number> = new Map([
  [5, 8],
  [7, 8],
  [9, 10],
  [11, 8],
]);
const DATA_POINTS = 1;

/** Counts the points of a request without decoding it as a whole. */
export function countRequest(request: Uint8Array): PushedRequest {
  let resources = 0;
  let points = 0;
  let endedPoints = 0;
  for (const resource of messages(request, RESOURCE_METRICS)) {
    resources++;
    for (const scope of messages(resource, SCOPE_METRICS)) {
      for (const metric of messages(scope, METRICS)) {
        for (const [kind, flagsField] of FLAGS_FIELD) {
          for (const body of messages(metric, kind)) {
            for (const point of messages(body, DATA_POINTS)) {
              points++;
              if (varint(point, flagsField) === 1) endedPoints++;
            }
          }
        }
      }
    }
  }
  return { resources, points, endedPoints };
}

function* messages(message: Uint8Array, field: number): Generator<Uint8Array> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.LengthDelimited) yield reader.bytes();
    else reader.skip(wireType);
  }
}

function varint(message: Uint8Array, field: number): number {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.Varint) return reader.uint32();
    reader.skip(wireType);
  }
  return 0;
}
