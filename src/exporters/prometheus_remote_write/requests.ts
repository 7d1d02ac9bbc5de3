// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { EncodedRequest } from "../../delivery/queue.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { type OnUnsound, soundPart } from "../../metrics/sound.ts";
import { goneSeries, type Said } from "./gone_series.ts";
import { SeriesIdentities } from "./identity.ts";
import { Metadata } from "./metadata.ts";
import { type PlanOptions, type ReadingPlan, readingPlanOf } from "./reading_plan.ts";
import { fillTemplate } from "./template.ts";
import { type TemplateOptions, Templates } from "./templates.ts";

export interface RemoteWriteRequestsOptions extends PlanOptions, TemplateOptions {
  /** Whether it is said when series end. */
  readonly stalenessMarkers: boolean;
  /** Whether it is said, beside the samples, what kind and help families have. */
  readonly sendsMetadata: boolean;
  readonly clock: Clock;
  /** Hears of the points that no request has. */
  readonly onUnsound: OnUnsound;
  /** Takes each request, in order. Whether it was kept; otherwise it is lost. */
  emit(request: EncodedRequest): boolean;
}

/** Resources whose series are followed. Of those beyond, it is not said when their series end. */
const RESOURCES_MAX = 16_384;

/** What was last said about a resource: when it changes, series end. */
interface Spoken extends Said {
  readonly timeMs: number;
}

/**
 * Turns readings into requests, as the queue keeps them. A series that a resource stops reporting is ended in front of
 * the reading that lacks it, all of them when the resource is gone. A point that is not sound is not reported.
 *
 * A receiver refuses a whole request for two samples of one series at one time. So where two resources have the same
 * labels, only the first one is heard, and of two readings at one time the second is a millisecond later.
 */
export class RemoteWriteRequests {
  readonly #options: RemoteWriteRequestsOptions;
  readonly #identities: SeriesIdentities;
  readonly #templates: Templates;
  readonly #metadata = new Metadata();
  /** By resource. */
  readonly #spoken = new Map<string, Spoken>();
  /** Whose series they are, by the identity's text. */
  readonly #owners = new Map<string, string>();

  constructor(options: RemoteWriteRequestsOptions) {
    this.#options = options;
    this.#identities = new SeriesIdentities(options.labels);
    this.#templates = new Templates(options);
  }

  consume(whole: Reading): void {
    const { resource } = whole;
    const identity = this.#identities.of(resource);
    const before = this.#spoken.get(resource.key);
    const timeMs = laterThan(before, whole.timeMs);
    if ((this.#owners.get(identity.text) ?? resource.key) !== resource.key) {
      this.#options.onConflict({ reason: "series", name: identity.text });
      this.#endAll(resource.key, timeMs);
      return;
    }
    const reading = soundPart(whole, this.#options.onUnsound);
    const said = { identity, plan: readingPlanOf(reading, identity, this.#options) };
    const gone = before === undefined ? [] : this.#goneRequests(before, said, timeMs);
    const metadata = this.#metadataOf(said.plan);
    const requests = [...metadata, ...gone, ...this.#requestsOf(said, { ...reading, timeMs })];
    // Each is taken or lost by itself. Where one is lost, what the peer knows is what it was told before.
    let isKept = true;
    for (const request of requests)
      isKept = this.#options.emit({ ...request, source: resource.key }) && isKept;
    if (!isKept) return;
    if (before !== undefined || this.#spoken.size < RESOURCES_MAX) {
      this.#forget(resource.key);
      this.#spoken.set(resource.key, { ...said, timeMs });
      this.#owners.set(identity.text, resource.key);
    }
  }

  end({ resource, timeMs }: Ended): void {
    this.#endAll(resource.key, timeMs);
  }

  #requestsOf(
    { identity, plan }: Said,
    { values, timeMs, startMs }: Pick<Reading, "values" | "timeMs" | "startMs">,
  ): EncodedRequest[] {
    const filling = { labels: identity.values, timeMs, startMs, values };
    return this.#templates
      .of(identity, plan)
      .map((template) => ({ bytes: fillTemplate(template, filling), points: template.points }));
  }

  #metadataOf(plan: ReadingPlan): EncodedRequest[] {
    const { sendsMetadata, clock } = this.#options;
    return sendsMetadata ? this.#metadata.requestsOf(plan, clock.monotonicMs()) : [];
  }

  #goneRequests(before: Said, after: Said, timeMs: number): EncodedRequest[] {
    if (!this.#options.stalenessMarkers) return [];
    const blocks = goneSeries(before, after);
    return blocks.length === 0 ? [] : this.#endsOf(before, { blocks, points: 0 }, timeMs);
  }

  /** The end of a series is no data point. */
  #endsOf({ identity }: Said, plan: ReadingPlan, timeMs: number): EncodedRequest[] {
    const filling = { labels: identity.values, timeMs, startMs: 0, values: undefined };
    return this.#templates.of(identity, plan).map((template) => ({
      bytes: fillTemplate(template, filling),
      points: 0,
      endPoints: template.samples,
    }));
  }

  #forget(key: string): void {
    const before = this.#spoken.get(key);
    if (before === undefined) return;
    this.#spoken.delete(key);
    this.#owners.delete(before.identity.text);
  }

  #endAll(key: string, timeMs: number): void {
    const before = this.#spoken.get(key);
    if (before === undefined) return;
    this.#forget(key);
    if (!this.#options.stalenessMarkers) return;
    // Two samples of one series at one time would contradict each other.
    const endMs = Math.max(timeMs, before.timeMs + 1);
    for (const request of this.#endsOf(before, before.plan, endMs))
      this.#options.emit({ ...request, source: key, isEnd: true });
  }
}

/** A clock that was set back further is a matter for the receiver, which may take samples out of order. */
const OVERLAP_MS_MAX = 1_000;

function laterThan(before: Spoken | undefined, timeMs: number): number {
  if (before === undefined || timeMs > before.timeMs) return timeMs;
  return before.timeMs - timeMs < OVERLAP_MS_MAX ? before.timeMs + 1 : timeMs;
}
