// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from "@bufbuild/protobuf";
import {
  ExportMetricsServiceRequestSchema,
  type KeyValue,
  type Metric,
} from "../../src/otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";

/** A metric in which the guest counts its scrapes, so that a missing reading is a gap in this number. */
const COUNTING_METRIC = "kata_agent_scrape_count";
const NO_RECORDED_VALUE = 1;
const END = "end of ";
const COPIES_MAX = 255;

/** The points of one sandbox that have the same time. */
interface Moment {
  /** How often the point of each series was seen, by the number of the series. */
  copies: Uint8Array;
  /** The guest's count of its scrapes; undefined where the reading has no part of the guest. */
  guestCount: number | undefined;
}

interface Sandbox {
  /** The readings, by microseconds since 1970. */
  readonly moments: Map<number, Moment>;
  /** The attributes of the resource in the reading with the latest time. */
  attributes: ReadonlyMap<string, string>;
  latest: number;
  /** The time of the point that was added last, in milliseconds. */
  lastArrival: number;
}

/** A reading with the guest's count of its scrapes. */
export interface Counted {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly guestCount: number;
}

/**
 * The data points of requests by their identity: sandbox, metric, attributes, time, and whether it is a value or the end of
 * a series. Each point takes one byte, so that the points of hours fit into memory.
 */
export class Ledger {
  readonly #sandboxes = new Map<string, Sandbox>();
  /** The numbers of all series. Sandboxes mostly have the same ones. */
  readonly #seriesNumbers = new Map<string, number>();
  /** The number of points that were added; a point that came twice counts twice. */
  points = 0;
  /** The number of points with different identities. */
  unique = 0;
  /** The number of `unique` points that end a series. */
  uniqueEnds = 0;
  requests = 0;

  get duplicates(): number {
    return this.points - this.unique;
  }

  get sandboxIds(): readonly string[] {
    return [...this.#sandboxes.keys()];
  }

  /** Adds the points of an ExportMetricsServiceRequest; returns how many there are. */
  add(request: Uint8Array): number {
    const before = this.points;
    this.requests++;
    for (const { resource, scopeMetrics } of fromBinary(ExportMetricsServiceRequestSchema, request)
      .resourceMetrics) {
      const attributes = new Map(resource?.attributes.map((one) => [one.key, textOf(one)]));
      const sandbox = this.#sandbox(attributes.get("kata.sandbox.id") ?? "");
      for (const { metrics } of scopeMetrics)
        for (const metric of metrics) this.#addMetric(sandbox, metric, attributes);
    }
    return this.points - before;
  }

  /** Returns the attributes in the sandbox's latest reading; none where there is no reading. */
  attributesOf(id: string): ReadonlyMap<string, string> {
    return this.#sandboxes.get(id)?.attributes ?? new Map();
  }

  /** Returns the time of the sandbox's reading that came last. */
  latestArrivalOf(id: string): number | undefined {
    return this.#sandboxes.get(id)?.lastArrival;
  }

  /** Returns a sandbox's readings with the guest's part, ordered by the guest's count, since the agent's clock may jump. */
  countedOf(id: string): Counted[] {
    const counted: Counted[] = [];
    for (const [micros, { guestCount }] of this.#sandboxes.get(id)?.moments ?? [])
      if (guestCount !== undefined) counted.push({ timeMs: micros / 1_000, guestCount });
    return counted.sort((one, other) => one.guestCount - other.guestCount);
  }

  /** Returns the number of the sandbox's different points that are values. */
  valuesOf(id: string): number {
    const isEnd = [...this.#seriesNumbers.keys()].map((series) => series.startsWith(END));
    let values = 0;
    for (const { copies } of this.#sandboxes.get(id)?.moments.values() ?? [])
      for (const [number, times] of copies.entries()) if (times > 0 && isEnd[number] === false) values++;
    return values;
  }

  /** Returns the number of points that the other ledger lacks. */
  missingIn(other: Ledger): number {
    const theirNumbers = [...this.#seriesNumbers.keys()].map((series) => other.#seriesNumbers.get(series));
    let missing = 0;
    for (const [id, { moments }] of this.#sandboxes) {
      const theirs = other.#sandboxes.get(id)?.moments;
      for (const [micros, { copies }] of moments) {
        const theirCopies = theirs?.get(micros)?.copies;
        for (const [number, times] of copies.entries()) {
          if (times > 0 && (theirCopies?.[theirNumbers[number] ?? -1] ?? 0) === 0) missing++;
        }
      }
    }
    return missing;
  }

  #sandbox(id: string): Sandbox {
    let sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) {
      sandbox = { moments: new Map(), attributes: new Map(), latest: 0, lastArrival: 0 };
      this.#sandboxes.set(id, sandbox);
    }
    return sandbox;
  }

  #addMetric(sandbox: Sandbox, { name, data }: Metric, attributes: ReadonlyMap<string, string>): void {
    for (const point of data.value?.dataPoints ?? []) {
      const ended = point.flags === NO_RECORDED_VALUE;
      const series = `${ended ? END : ""}${name}${labelsOf(point.attributes)}`;
      const micros = Number(point.timeUnixNano / 1_000n);
      const moment = this.#moment(sandbox, micros);
      sandbox.lastArrival = micros / 1_000;
      this.#addPoint(moment, this.#numberOf(series), ended);
      if (ended) continue;
      if (name === COUNTING_METRIC && "value" in point) moment.guestCount = Number(point.value.value);
      if (micros > sandbox.latest) {
        sandbox.latest = micros;
        sandbox.attributes = attributes;
      }
    }
  }

  #moment({ moments }: Sandbox, micros: number): Moment {
    let moment = moments.get(micros);
    if (moment === undefined) {
      moment = { copies: new Uint8Array(this.#seriesNumbers.size), guestCount: undefined };
      moments.set(micros, moment);
    }
    return moment;
  }

  #numberOf(series: string): number {
    const numbers = this.#seriesNumbers;
    const known = numbers.get(series);
    if (known !== undefined) return known;
    numbers.set(series, numbers.size);
    return numbers.size - 1;
  }

  #addPoint(moment: Moment, number: number, ended: boolean): void {
    if (number >= moment.copies.length) {
      const larger = new Uint8Array(number + 64);
      larger.set(moment.copies);
      moment.copies = larger;
    }
    const copies = moment.copies[number] ?? 0;
    moment.copies[number] = Math.min(COPIES_MAX, copies + 1);
    this.points++;
    if (copies > 0) return;
    this.unique++;
    if (ended) this.uniqueEnds++;
  }
}

function labelsOf(attributes: readonly KeyValue[]): string {
  let labels = "";
  for (const attribute of attributes) labels += `|${attribute.key}=${textOf(attribute)}`;
  return labels;
}

function textOf({ value }: KeyValue): string {
  return value?.value.case === "stringValue" ? value.value.value : "";
}
