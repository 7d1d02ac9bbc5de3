// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import type { Resource } from "../metrics/model.ts";
import { delimitedBytes, ProtoWriter } from "../wire/writer.ts";
import { writeAttributes } from "./metric_plan.ts";

/** Who measured, as receivers see it. */
export interface Scope {
  readonly name: string;
  readonly version: string;
}

/** How many bytes a ResourceMetrics and what it holds has, from the inside out. */
export interface EnvelopeBytes {
  readonly scopeMetrics: number;
  readonly resourceMetrics: number;
  /** With the tag and the length of the field in the request. */
  readonly total: number;
}

// Field numbers of opentelemetry/proto/collector/metrics/v1/metrics_service.proto, metrics.proto and resource.proto.
const RESOURCE_METRICS_FIELD = 1;
const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 };
const RESOURCE = { attributes: 1 };
const SCOPE_METRICS = { scope: 1 };
const SCOPE = { name: 1, version: 2 };

const resourceField = memoized(encodeResource);

/** What stands around the metrics of one resource in a request. */
export class Envelope {
  readonly #scopeField: Uint8Array;

  constructor(scope: Scope) {
    this.#scopeField = encodeScope(scope);
  }

  /** Its sizes around so many bytes of metrics. */
  sizeOf(resource: Resource, metricBytes: number): EnvelopeBytes {
    const scopeMetrics = this.#scopeField.length + metricBytes;
    const resourceMetrics =
      resourceField(resource).length + delimitedBytes(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
    const total = delimitedBytes(RESOURCE_METRICS_FIELD, resourceMetrics);
    return { scopeMetrics, resourceMetrics, total };
  }

  /** Writes all that stands in front of the metrics, which the caller writes next. */
  open(writer: ProtoWriter, resource: Resource, metricBytes: number): void {
    const { scopeMetrics, resourceMetrics } = this.sizeOf(resource, metricBytes);
    writer.delimitedHead(RESOURCE_METRICS_FIELD, resourceMetrics);
    writer.raw(resourceField(resource));
    writer.delimitedHead(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
    writer.raw(this.#scopeField);
  }
}

function encodeScope({ name, version }: Scope): Uint8Array {
  const scope = new ProtoWriter();
  scope.text(SCOPE.name, name);
  scope.text(SCOPE.version, version);
  const field = new ProtoWriter();
  field.delimited(SCOPE_METRICS.scope, scope.finish());
  return field.finish();
}

function encodeResource({ attributes }: Resource): Uint8Array {
  const resource = new ProtoWriter();
  writeAttributes(resource, RESOURCE.attributes, attributes);
  const field = new ProtoWriter();
  field.delimited(RESOURCE_METRICS.resource, resource.finish());
  return field.finish();
}
