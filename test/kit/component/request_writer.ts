// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { uncompress } from "snappyjs";
import { FakeClock } from "../../../src/clock/fake_clock.ts";
import type { EncodedRequest } from "../../../src/delivery/queue.ts";
import { bodiesOf } from "../../../src/exporters/prometheus_remote_write/bodies.ts";
import type { MessageVersion } from "../../../src/exporters/prometheus_remote_write/record.ts";
import {
  RemoteWriteRequests,
  type RemoteWriteRequestsOptions,
} from "../../../src/exporters/prometheus_remote_write/requests.ts";
import { Interner } from "../../../src/metrics/interner.ts";
import {
  type Attribute,
  type Kind,
  pointWidth,
  type Reading,
  type Resource,
  type Schema,
} from "../../../src/metrics/model.ts";

import { labelOptions, toIdentityLabels } from "../../../src/prometheus/series/label_options.ts";

import { decodeRequestV2, decodeWriteRequest, keyOf, type WrittenSample } from "../oracle/remote_write.ts";
import { decodeSnappy } from "../oracle/snappy.ts";

/** Interns the families of all readings that `reading` makes. */
export const interner: Interner = new Interner();

const attributesOf = (values: Readonly<Record<string, string>>): Attribute[] =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

export function resource(id: string, more: Readonly<Record<string, string>> = {}): Resource {
  return { key: `kata/${id}`, attributes: attributesOf({ "kata.sandbox.id": id, ...more }) };
}

export interface FamilyRow {
  readonly name: string;
  readonly kind?: Kind;
  readonly points?: readonly Readonly<Record<string, string>>[];
  readonly bounds?: readonly number[];
  readonly help?: string;
  readonly unit?: string;
}

export function reading(of: Resource, rows: readonly FamilyRow[], timeMs: number): Reading {
  const families = rows.map(({ name, kind = "gauge", points = [{}], bounds = [], help = "", unit = "" }) =>
    interner.family({
      name,
      kind,
      unit,
      help,
      points: points.map((one) => ({
        attributes: attributesOf(one),
        bounds,
        boundTexts: bounds.map(String),
      })),
    }),
  );
  const schema = interner.schema(families);
  return { resource: of, schema, values: soundValues(schema), timeMs, startMs: 0 };
}

/** Makes values that differ from column to column and that each kind allows: counts are integers, and buckets add up. */
export function soundValues({ families, width }: Schema): Float64Array {
  const values = new Float64Array(width);
  let column = 0;
  for (const { kind, points } of families) {
    for (const { bounds } of points) {
      const end = column + pointWidth(kind, bounds.length);
      const isCompound = kind === "histogram" || kind === "summary";
      for (let at = column; at < end; at++) values[at] = isCompound ? at : at + 0.5;
      if (kind === "histogram") values[end - 1] = end - 3;
      column = end;
    }
  }
  return values;
}

export interface WriterOptions {
  readonly namespace?: string;
  readonly external?: Readonly<Record<string, string>>;
  readonly others?: boolean;
  readonly requestBytesMax?: number;
  readonly version?: MessageVersion;
  readonly targetInfo?: boolean;
  readonly stalenessMarkers?: boolean;
  readonly sendsMetadata?: boolean;
}

/** Returns the options of the writer's labels as the exporter's config makes them. */
export function planOptions({
  namespace = "",
  external = {},
  others = false,
}: WriterOptions): Pick<RemoteWriteRequestsOptions, "namespace" | "labels"> {
  const config = {
    namespace,
    resource_labels: labelOptions.resource_labels.parse(undefined),
    resource_to_telemetry_conversion: { enabled: others },
  };
  return { namespace, labels: toIdentityLabels(external, config) };
}

export interface RequestWriter {
  readonly consumer: RemoteWriteRequests;
  readonly requests: EncodedRequest[];
  readonly conflicts: readonly string[];
  /** The names of the families whose points were left out, since their values are impossible for their kind. */
  readonly unsound: string[];
  readonly clock: FakeClock;
  /** Says whether the queue has room for requests from now on. */
  open(isOpen: boolean): void;
  /** Removes all requests and returns the samples in them. */
  take(): WrittenSample[];
}

/** Makes the part of the exporter that turns readings into requests, without the queue and the sender. */
export function writer(options: WriterOptions = {}): RequestWriter {
  const requests: EncodedRequest[] = [];
  const conflicts: string[] = [];
  const unsound: string[] = [];
  const clock = new FakeClock();
  const { version = 1, targetInfo = false, stalenessMarkers = true, sendsMetadata = false } = options;
  let isOpen = true;
  const consumer = new RemoteWriteRequests({
    ...planOptions(options),
    requestBytesMax: options.requestBytesMax ?? 3_000_000,
    version,
    targetInfo,
    stalenessMarkers,
    sendsMetadata,
    clock,
    onUnsound: (families) => unsound.push(...families.map(({ name }) => name)),
    onConflict: ({ reason, name }) => conflicts.push(`${reason} ${name}`),
    emit: (request) => isOpen && requests.push(request) > 0,
  });
  return {
    consumer,
    requests,
    conflicts,
    unsound,
    clock,
    open: (open: boolean) => {
      isOpen = open;
    },
    take: () => messagesOf(requests.splice(0)).flatMap(version === 1 ? decodeWriteRequest : decodeRequestV2),
  };
}

/** Uncompresses each request as a receiver does. Two decoders must agree on it. */
export function messagesOf(requests: readonly EncodedRequest[]): Uint8Array[] {
  return requests.map(({ bytes }) => {
    const [body, ...more] = bodiesOf([bytes], 1);
    assert.ok(body !== undefined && more.length === 0, "one request");
    const message = decodeSnappy(body.bytes);
    assert.deepEqual(new Uint8Array(uncompress(new Uint8Array(body.bytes))), message);
    return message;
  });
}

/** Writes samples as `series@time value`, ordered by series. */
export function texts(samples: readonly WrittenSample[]): string[] {
  return samples
    .map(({ labels, value, isStale, timeMs }) => `${keyOf(labels)}@${timeMs} ${isStale ? "stale" : value}`)
    .sort();
}
