// SPDX-License-Identifier: Apache-2.0
import type { Ended, Reading, Resource, Schema } from "../metrics/model.ts";
import { type OnUnsound, soundPart } from "../metrics/sound.ts";
import type { OtlpEncoder, OtlpRequest } from "./encode.ts";
import { goneBetween, sameAttributes } from "./gone.ts";
import type { ResourceEntry } from "./resource_entry.ts";
import { type Restarts, restartsIn, StartTimes } from "./start_times.ts";

/** A request that concerns one resource. */
export interface ResourceRequest extends OtlpRequest {
  /** The resource's key. */
  readonly source: string;
  /** Whether it says that the resource has ended. Such a request comes once: it is not repeated. */
  readonly isEnd?: boolean;
}

export interface OtlpRequestsOptions {
  readonly encoder: OtlpEncoder;
  readonly requestBytesMax: number;
  /** Whether series that end get a last point that says so. */
  readonly marksEnds: boolean;
  /** Called for points that are left out of requests. */
  readonly onUnsound: OnUnsound;
  /** Called for each request, in order. Returns whether the request was kept; otherwise it is lost. */
  emit(request: ResourceRequest): boolean;
}

/** The most resources that are followed. For further ones no ends of series and no restarts of counters are sent. */
const RESOURCES_MAX = 16_384;

/** The last reading of a resource that was kept by the queue. Series that the next one lacks have ended. */
interface LastSent {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
  readonly startMs: number;
  readonly restarts: Restarts;
}

interface Followed {
  /** It gets all readings, also those that were not kept: it follows the source's counters, not what receivers know. */
  readonly startTimes: StartTimes;
  lastSent: LastSent | undefined;
}

/**
 * Turns each reading into requests:
 *
 * - Two requests are joined by putting one behind the other, so a queue can keep each by itself.
 * - A series that a resource stops reporting is ended before the first reading that lacks it. All series of a resource are
 *   ended when its attributes change and when the resource ends. So no receiver shows the last value of a dead sandbox.
 * - A counter that falls gets a new start time.
 * - A point that is not sound is left out.
 */
export class OtlpRequests {
  readonly #options: OtlpRequestsOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: OtlpRequestsOptions) {
    this.#options = options;
  }

  consume(whole: Reading): void {
    const { encoder, requestBytesMax, emit, onUnsound } = this.#options;
    const reading = soundPart(whole, onUnsound);
    const { resource, schema, timeMs, startMs } = reading;
    const followed = this.#follow(resource.key);
    const restarts = followed?.startTimes.next(reading);
    const entries = followed?.lastSent === undefined ? [] : this.#endsBefore(followed.lastSent, reading);
    entries.push(encoder.reading(reading, restarts));
    const requests = encoder.encode(entries, requestBytesMax);
    // Each request can be lost by itself. If one is lost, the peer still knows the reading before.
    let isKept = true;
    for (const request of requests) isKept = emit({ ...request, source: resource.key }) && isKept;
    if (isKept && followed !== undefined) followed.lastSent = { resource, schema, timeMs, startMs, restarts };
  }

  end({ resource, timeMs }: Ended): void {
    const lastSent = this.#followed.get(resource.key)?.lastSent;
    this.#followed.delete(resource.key);
    const { encoder, requestBytesMax, emit, marksEnds } = this.#options;
    if (lastSent === undefined || !marksEnds) return;
    // The end needs a time of its own: two points of one series at one time would contradict each other.
    const entry = encoder.ended({ ...lastSent, timeMs: Math.max(timeMs, lastSent.timeMs + 1) });
    for (const request of encoder.encode([entry], requestBytesMax))
      emit({ ...request, source: resource.key, isEnd: true });
  }

  #follow(key: string): Followed | undefined {
    const known = this.#followed.get(key);
    if (known !== undefined || this.#followed.size >= RESOURCES_MAX) return known;
    const followed: Followed = { startTimes: new StartTimes(), lastSent: undefined };
    this.#followed.set(key, followed);
    return followed;
  }

  /** The ends of the series that the reading does not have any more. */
  #endsBefore(lastSent: LastSent, { resource, schema, timeMs }: Reading): ResourceEntry[] {
    const { encoder, marksEnds } = this.#options;
    if (!marksEnds) return [];
    const same =
      lastSent.resource === resource || sameAttributes(lastSent.resource.attributes, resource.attributes);
    const gone = same ? goneBetween(lastSent.schema, schema) : lastSent.schema;
    if (gone.families.length === 0) return [];
    return [encoder.ended({ ...lastSent, schema: gone, restarts: restartsIn(gone, [lastSent]), timeMs })];
  }
}
