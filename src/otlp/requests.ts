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
  /** Whether the request says that the resource has ended. It is made only once: nothing replaces it if it is lost. */
  readonly isEnd?: boolean;
}

/** How requests are made, and where they go. */
export interface OtlpRequestsOptions {
  readonly encoder: OtlpEncoder;
  /** The most bytes of a request, before compression. */
  readonly requestBytesMax: number;
  /** Whether a series that ends gets a last point, which says that the series has ended. */
  readonly marksEnds: boolean;
  /** Called for points that no request contains, since they are not sound. */
  readonly onUnsound: OnUnsound;
  /** Called for each request, in order. Returns true if the queue accepted it; false if it is lost. */
  emit(request: ResourceRequest): boolean;
}

/** The most resources whose last reading is remembered. Further ones get no ends of series and no restarts. */
const RESOURCES_MAX = 16_384;

/** The last reading of a resource that the queue accepted. Series that the next reading does not have are ended. */
interface LastSent {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
  readonly startMs: number;
  readonly restarts: Restarts;
}

/** All that is remembered of one resource. */
interface Followed {
  /** Gets every reading, also if the queue rejects it: the restarts of counters do not depend on the queue. */
  readonly startTimes: StartTimes;
  /** Undefined until the queue has accepted a reading. */
  lastSent: LastSent | undefined;
}

/**
 * Turns each reading into requests:
 *
 * - The bytes of two requests, one behind the other, are one request. So a queue can keep them one by one, and join
 *   them later.
 * - A series that a resource stops reporting is ended before the first reading that lacks it. All series of a resource
 *   are ended when its attributes change and when the resource ends. So no receiver shows the last value of a dead
 *   sandbox.
 * - A counter that falls gets a new start time.
 * - A point that is not sound is not sent, and `onUnsound` is called.
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
    // If the queue rejects one of the requests, the peer may still have series of the reading before.
    let isKept = true;
    for (const request of requests) isKept = emit({ ...request, source: resource.key }) && isKept;
    if (isKept && followed !== undefined) followed.lastSent = { resource, schema, timeMs, startMs, restarts };
  }

  end({ resource, timeMs }: Ended): void {
    const lastSent = this.#followed.get(resource.key)?.lastSent;
    this.#followed.delete(resource.key);
    const { encoder, requestBytesMax, emit, marksEnds } = this.#options;
    if (lastSent === undefined || !marksEnds) return;
    // The end is later than the last reading, since two points of one series at one time would contradict each other.
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

  /** Returns the ends of the series that were in the last reading and are not in the given one. */
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
