// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { EncodedRequest } from "../../delivery/queue.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { type OnUnsound, soundPart } from "../../metrics/sound.ts";
import { EncodedResources } from "./encoded_resource.ts";
import { goneSeries, type ReportedSeries } from "./gone_series.ts";
import { Metadata } from "./metadata.ts";
import { type PlanOptions, type ReadingPlan, ReadingPlans } from "./reading_plan.ts";
import { fillTemplate } from "./template.ts";
import { type TemplateOptions, Templates } from "./templates.ts";

/** Options of the content of requests, and the function that takes each request. */
export interface RemoteWriteRequestsOptions extends PlanOptions, TemplateOptions {
  /** Whether stale markers are sent for series that end. */
  readonly stalenessMarkers: boolean;
  /** Whether requests with the kind and help of families are sent in addition to those with samples. */
  readonly sendsMetadata: boolean;
  readonly clock: Clock;
  /** Called with the families and the resource of points that are left out since their numbers cannot be counts. */
  readonly onUnsound: OnUnsound;
  /** Called with each request, in order. Returns whether the request was queued. If not, the request is lost. */
  emit(request: EncodedRequest): boolean;
}

/**
 * The most resources whose last series are remembered. Further resources are sent, but their series get no stale
 * markers.
 */
const RESOURCES_MAX = 16_384;

/** The series that a resource reported last, and the time of this report. */
interface LastReport extends ReportedSeries {
  readonly timeMs: number;
}

/**
 * Turns readings into requests for the queue.
 *
 * - When a resource stops reporting a series, its stale marker is sent before the reading that lacks the series.
 * - When a resource is gone, all of its series get stale markers.
 * - A point whose numbers cannot be counts is left out, as if the resource had not reported it.
 *
 * A receiver refuses a whole request for two samples of one series at the same time. So of two resources with the same
 * labels only the first one is sent, and the second of two readings of the same time gets a time one millisecond later.
 */
export class RemoteWriteRequests {
  readonly #options: RemoteWriteRequestsOptions;
  readonly #resources: EncodedResources;
  readonly #plans: ReadingPlans;
  readonly #templates: Templates;
  readonly #metadata = new Metadata();
  /** By the resource's key, the series that the resource reported last. */
  readonly #reports = new Map<string, LastReport>();
  /** By `EncodedResource.text`, the key of the resource that has the series with these labels. */
  readonly #owners = new Map<string, string>();

  constructor(options: RemoteWriteRequestsOptions) {
    this.#options = options;
    this.#resources = new EncodedResources(options.labels);
    this.#plans = new ReadingPlans(options);
    this.#templates = new Templates(options);
  }

  consume(whole: Reading): void {
    const { key } = whole.resource;
    const resource = this.#resources.of(whole.resource);
    const before = this.#reports.get(key);
    const timeMs = laterThan(before, whole.timeMs);
    if ((this.#owners.get(resource.text) ?? key) !== key) {
      this.#options.onConflict({ reason: "series", name: resource.text });
      this.#endAll(key, timeMs);
      return;
    }
    const reading = soundPart(whole, this.#options.onUnsound);
    const report = { resource, plan: this.#plans.of(reading, resource.labelSet) };
    const gone = before === undefined ? [] : this.#goneRequests(before, report, timeMs);
    const metadata = this.#metadataOf(report.plan);
    const requests = [...metadata, ...gone, ...this.#requestsOf(report, { ...reading, timeMs })];
    // The queue keeps or refuses each request by itself. If it refuses one, this reading is not noted as the last
    // report, since the peer may not know its series.
    let isKept = true;
    for (const request of requests) isKept = this.#options.emit({ ...request, source: key }) && isKept;
    if (!isKept) return;
    if (before !== undefined || this.#reports.size < RESOURCES_MAX) {
      this.#forget(key);
      this.#reports.set(key, { ...report, timeMs });
      this.#owners.set(resource.text, key);
    }
  }

  end({ resource, timeMs }: Ended): void {
    this.#endAll(resource.key, timeMs);
  }

  #requestsOf(
    { resource, plan }: ReportedSeries,
    { values, timeMs, startMs }: Pick<Reading, "values" | "timeMs" | "startMs">,
  ): EncodedRequest[] {
    const filling = { labels: resource.values, timeMs, startMs, values };
    return this.#templates
      .of(resource, plan)
      .map((template) => ({ bytes: fillTemplate(template, filling), points: template.points }));
  }

  #metadataOf(plan: ReadingPlan): EncodedRequest[] {
    const { sendsMetadata, clock } = this.#options;
    return sendsMetadata ? this.#metadata.requestsOf(plan, clock.monotonicMs()) : [];
  }

  #goneRequests(before: ReportedSeries, after: ReportedSeries, timeMs: number): EncodedRequest[] {
    if (!this.#options.stalenessMarkers) return [];
    const blocks = goneSeries(before, after);
    return blocks.length === 0 ? [] : this.#staleMarkers(before, { blocks, points: 0 }, timeMs);
  }

  /** Returns requests with a stale marker for each series of the plan. A stale marker is no data point. */
  #staleMarkers({ resource }: ReportedSeries, plan: ReadingPlan, timeMs: number): EncodedRequest[] {
    const filling = { labels: resource.values, timeMs, startMs: 0, values: undefined };
    return this.#templates.of(resource, plan).map((template) => ({
      bytes: fillTemplate(template, filling),
      points: 0,
      endPoints: template.samples,
    }));
  }

  #forget(key: string): void {
    const before = this.#reports.get(key);
    if (before === undefined) return;
    this.#reports.delete(key);
    this.#owners.delete(before.resource.text);
  }

  #endAll(key: string, timeMs: number): void {
    const before = this.#reports.get(key);
    if (before === undefined) return;
    this.#forget(key);
    if (!this.#options.stalenessMarkers) return;
    // Two samples of one series at the same time would contradict each other.
    const endMs = Math.max(timeMs, before.timeMs + 1);
    for (const request of this.#staleMarkers(before, before.plan, endMs))
      this.#options.emit({ ...request, source: key, isEnd: true });
  }
}

/**
 * A reading that is older than the last one by less than this gets a later time. If the clock was set back further, the
 * time stays as it is, since some receivers take samples out of order.
 */
const OVERLAP_MS_MAX = 1_000;

/**
 * Returns the time to send for a reading of the time `timeMs`: one after that of the last report, unless the clock was
 * set back far.
 */
function laterThan(before: LastReport | undefined, timeMs: number): number {
  if (before === undefined || timeMs > before.timeMs) return timeMs;
  return before.timeMs - timeMs < OVERLAP_MS_MAX ? before.timeMs + 1 : timeMs;
}
