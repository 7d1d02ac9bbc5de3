// SPDX-License-Identifier: Apache-2.0
import type { Ended, Reading, Resource, Schema } from "../metrics/model.ts";
import { type OnUnsound, soundPart } from "../metrics/sound.ts";
import type { OtlpEncoder, OtlpRequest } from "./encode.ts";
import { goneBetween, sameAttributes } from "./gone.ts";
import type { ResourceEntry } from "./resource_entry.ts";
import { type Restarts, restartsIn, StartTimes } from "./start_times.ts";

/** A request about one resource. */
export interface ResourceRequest extends OtlpRequest {
  /** The resource's key. */
  readonly source: string;
  /** Whether it says that the resource has ended: nobody would say that again. */
  readonly isEnd?: boolean;
}

export interface OtlpRequestsOptions {
  readonly encoder: OtlpEncoder;
  readonly requestBytesMax: number;
  /** Whether receivers are told when series end. */
  readonly marksEnds: boolean;
  /** Hears of the points that no request has. */
  readonly onUnsound: OnUnsound;
  /** Takes each request, in order. Whether it was kept; otherwise it is lost. */
  emit(request: ResourceRequest): boolean;
}

/** Resources that are followed. Of those beyond, it is not said when their series end, nor when their counters restart. */
const RESOURCES_MAX = 16_384;

/** What was last said about a resource: when it changes, series end. */
interface Spoken {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
  readonly startMs: number;
  readonly restarts: Restarts;
}

interface Followed {
  /** Goes on with every reading, said or not: it is about the counters, not about what receivers know. */
  readonly startTimes: StartTimes;
  spoken: Spoken | undefined;
}

/**
 * Turns readings into requests, one by one: an encoded request is what a queue keeps, and two of them are joined by
 * putting one behind the other. A series that a resource stops reporting is ended in front of the reading that lacks
 * it, all of them when its attributes change or when it is gone, so that no receiver serves the last value of a dead
 * sandbox. A counter that falls gets a new start time. A point that is not sound is not reported.
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
    const entries = followed?.spoken === undefined ? [] : this.#missing(followed.spoken, reading);
    entries.push(encoder.reading(reading, restarts));
    const requests = encoder.encode(entries, requestBytesMax);
    // Each is taken or lost by itself. Where one is lost, what the peer knows is what it was told before.
    let isKept = true;
    for (const request of requests) isKept = emit({ ...request, source: resource.key }) && isKept;
    if (isKept && followed !== undefined) followed.spoken = { resource, schema, timeMs, startMs, restarts };
  }

  end({ resource, timeMs }: Ended): void {
    const spoken = this.#followed.get(resource.key)?.spoken;
    this.#followed.delete(resource.key);
    const { encoder, requestBytesMax, emit, marksEnds } = this.#options;
    if (spoken === undefined || !marksEnds) return;
    // Two points of one series at one time would contradict each other.
    const entry = encoder.ended({ ...spoken, timeMs: Math.max(timeMs, spoken.timeMs + 1) });
    for (const request of encoder.encode([entry], requestBytesMax))
      emit({ ...request, source: resource.key, isEnd: true });
  }

  #follow(key: string): Followed | undefined {
    const known = this.#followed.get(key);
    if (known !== undefined || this.#followed.size >= RESOURCES_MAX) return known;
    const followed: Followed = { startTimes: new StartTimes(), spoken: undefined };
    this.#followed.set(key, followed);
    return followed;
  }

  /** The ends of the series that the reading lacks. */
  #missing(spoken: Spoken, { resource, schema, timeMs }: Reading): ResourceEntry[] {
    const { encoder, marksEnds } = this.#options;
    if (!marksEnds) return [];
    const same =
      spoken.resource === resource || sameAttributes(spoken.resource.attributes, resource.attributes);
    const gone = same ? goneBetween(spoken.schema, schema) : spoken.schema;
    if (gone.families.length === 0) return [];
    return [encoder.ended({ ...spoken, schema: gone, restarts: restartsIn(gone, [spoken]), timeMs })];
  }
}
