import type { Ended, Reading, Resource, Schema } from "../metrics/model.ts";
import type { Entry, OtlpEncoder, OtlpRequest } from "./encode.ts";
import { goneBetween, sameAttributes } from "./gone.ts";

export interface OtlpRequestsOptions {
  readonly encoder: OtlpEncoder;
  readonly requestBytesMax: number;
  /** Takes each request, in order. Whether it was kept; otherwise it is lost. */
  emit(
    request: OtlpRequest & { readonly source: string; readonly isEnd?: boolean; readonly endPoints?: number },
  ): boolean;
}

/** Resources whose series are followed. Of those beyond, it is not said when their series end. */
const RESOURCES_MAX = 16_384;

/** What was last said about a resource: when it changes, series end. */
interface Spoken {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
}

/**
 * Turns readings into requests, one by one: an encoded request is what a queue keeps, and two of them are joined by
 * putting one behind the other. A series that a resource stops reporting is ended in front of the reading that lacks
 * it, all of them when its attributes change or when it is gone, so that no receiver serves the last value of a dead
 * sandbox.
 */
export class OtlpRequests {
  readonly #options: OtlpRequestsOptions;
  readonly #spoken = new Map<string, Spoken>();

  constructor(options: OtlpRequestsOptions) {
    this.#options = options;
  }

  consume(reading: Reading): void {
    const { encoder, requestBytesMax, emit } = this.#options;
    const { resource, schema, timeMs } = reading;
    const before = this.#spoken.get(resource.key);
    const entries = before === undefined ? [] : this.#missing(before, reading);
    entries.push(encoder.reading(reading));
    const requests = encoder.encode(entries, requestBytesMax);
    // Where one is lost, what the peer knows of the resource is what it was told before.
    if (!requests.every((request) => emit({ ...request, source: resource.key }))) return;
    if (before !== undefined || this.#spoken.size < RESOURCES_MAX) {
      this.#spoken.set(resource.key, { resource, schema, timeMs });
    }
  }

  end({ resource, timeMs }: Ended): void {
    const before = this.#spoken.get(resource.key);
    if (before === undefined) return;
    this.#spoken.delete(resource.key);
    // Two points of one series at one time would contradict each other.
    const endMs = Math.max(timeMs, before.timeMs + 1);
    const { encoder, requestBytesMax, emit } = this.#options;
    const entry = encoder.ended(before.resource, before.schema.families, endMs);
    for (const request of encoder.encode([entry], requestBytesMax)) {
      emit({ ...request, points: 0, endPoints: request.points, source: resource.key, isEnd: true });
    }
  }

  /** The ends of the series that the reading lacks. */
  #missing(before: Spoken, { resource, schema, timeMs }: Reading): Entry[] {
    const same =
      before.resource === resource || sameAttributes(before.resource.attributes, resource.attributes);
    const gone = same ? goneBetween(before.schema, schema) : before.schema.families;
    return gone.length > 0 ? [this.#options.encoder.ended(before.resource, gone, timeMs)] : [];
  }
}
