// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import type { Resource } from "../metrics/model.ts";
import { delimitedBytes, ProtoWriter } from "../wire/writer.ts";
import { writeAttributes } from "./metric_plan.ts";

/** OTLP's instrumentation scope: the name and version of the program that made the metrics. */
export interface Scope {
  readonly name: string;
  readonly version: string;
}

/** The sizes in bytes of a ResourceMetrics message and of the messages in it. */
export interface EnvelopeBytes {
  /** The size of the ScopeMetrics message. */
  readonly scopeMetrics: number;
  /** The size of the ResourceMetrics message. */
  readonly resourceMetrics: number;
  /** The size of the field of the request that has the ResourceMetrics message, with its tag and length. */
  readonly total: number;
}

// Field numbers of opentelemetry/proto/collector/metrics/v1/metrics_service.proto, metrics.proto and resource.proto.
const RESOURCE_METRICS_FIELD = 1;
const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 };
const RESOURCE = { attributes: 1 };
const SCOPE_METRICS = { scope: 1 };
const SCOPE = { name: 1, version: 2 };

const resourceField = memoized(encodeResource);

/** Writes the bytes around the metrics of one resource: ResourceMetrics, Resource, ScopeMetrics and Scope. */
export class Envelope {
  readonly #scopeField: Uint8Array;

  constructor(scope: Scope) {
    this.#scopeField = encodeScope(scope);
  }

  /** Returns the sizes of an envelope around metrics of `metricBytes` bytes. */
  sizeOf(resource: Resource, metricBytes: number): EnvelopeBytes {
    const scopeMetrics = this.#scopeField.length + metricBytes;
    const resourceMetrics =
      resourceField(resource).length + delimitedBytes(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
    const total = delimitedBytes(RESOURCE_METRICS_FIELD, resourceMetrics);
    return { scopeMetrics, resourceMetrics, total };
  }

  /** Writes all bytes that come before the metrics. The caller writes `metricBytes` bytes of metrics next. */
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
