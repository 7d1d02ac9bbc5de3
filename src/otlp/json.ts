// SPDX-License-Identifier: Apache-2.0
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { visible } from "../text/visible.ts";
import { ResourceMetricsSchema } from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";

const RESOURCE_METRICS_FIELD = 1;
const OPEN = '{"resourceMetrics":[';

/**
 * Converts an encoded request to OTLP/JSON. Yields the text in parts. Each part except the last has one resource and
 * takes some milliseconds, so a caller that must not delay other work pauses between the parts. Throws if the bytes are
 * no request.
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
    // OTLP/JSON has enumerations as numbers, unlike protobuf's JSON mapping.
    const json = JSON.stringify(toJson(ResourceMetricsSchema, entry, { enumAsInteger: true }));
    // Control and invisible characters are escaped, since people read the files of the file exporter.
    yield before + visible(json);
    before = ",";
  }
  yield before === OPEN ? `${OPEN}]}` : "]}";
}
