// SPDX-License-Identifier: Apache-2.0
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { visible } from "../text/visible.ts";
import { ResourceMetricsSchema } from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";

const RESOURCE_METRICS_FIELD = 1;
const OPEN = '{"resourceMetrics":[';

/**
 * An encoded request as OTLP/JSON, in parts that are the text when put together. Each part but the last is about one
 * resource, which is some milliseconds of work: whoever must not hold up others pauses between them. Throws on bytes
 * that are no request.
 */
export function* requestJson(request: Uint8Array): Generator<string, void, void> {
  const reader = new BinaryReader(request);
  let before = OPEN;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== RESOURCE_METRICS_FIELD) {
      reader.skip(wireType, field);
      continue;
    }
    const entry = fromBinary(ResourceMetricsSchema, reader.bytes());
    // OTLP wants enumerations as numbers, other than protobuf's own mapping.
    const json = JSON.stringify(toJson(ResourceMetricsSchema, entry, { enumAsInteger: true }));
    // The file exporter's files are read by people too.
    yield before + visible(json);
    before = ",";
  }
  yield before === OPEN ? `${OPEN}]}` : "]}";
}
