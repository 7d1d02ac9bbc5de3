import type { Clock } from "../clock/clock.ts";
import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading, Resource, Schema } from "../metrics/model.ts";
import type { Entry, OtlpEncoder, OtlpRequest } from "./encode.ts";
import { goneBetween, sameAttributes } from "./gone.ts";

export interface OtlpBatchOptions {
  readonly encoder: OtlpEncoder;
  readonly clock: Clock;
  readonly flushTimeoutMs: number;
  readonly requestBytesMax: number;
  /** Takes each request, in order. */
  emit(request: OtlpRequest): void;
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
 * Gathers readings, which come one by one, into requests. A series that a resource stops reporting is ended in front
 * of the reading that lacks it, all of them when its attributes change or when it is gone, so that no receiver serves
 * the last value of a dead sandbox.
 */
export class OtlpBatch implements Consumer {
  readonly #options: OtlpBatchOptions;
  readonly #spoken = new Map<string, Spoken>();
  #entries: Entry[] = [];
  #bytes = 0;
  #cancelFlush: (() => void) | undefined;
  #closed = false;

  constructor(options: OtlpBatchOptions) {
    this.#options = options;
  }

  consume(reading: Reading): Verdict {
    if (this.#closed) return "refused";
    const { resource, schema, timeMs } = reading;
    const before = this.#spoken.get(resource.key);
    if (before !== undefined) this.#endMissing(before, reading);
    this.#add(this.#options.encoder.reading(reading));
    if (before !== undefined || this.#spoken.size < RESOURCES_MAX) {
      this.#spoken.set(resource.key, { resource, schema, timeMs });
    }
    return "accepted";
  }

  end({ resource, timeMs }: Ended): void {
    const before = this.#spoken.get(resource.key);
    if (before === undefined || this.#closed) return;
    this.#spoken.delete(resource.key);
    // Two points of one series at one time would contradict each other.
    const endMs = Math.max(timeMs, before.timeMs + 1);
    this.#add(this.#options.encoder.ended(before.resource, before.schema.families, endMs));
  }

  /** Emits what has been gathered. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    for (const request of this.#options.encoder.encode(entries, this.#options.requestBytesMax)) {
      this.#options.emit(request);
    }
  }

  /** Emits what has been gathered and takes no more. */
  close(): void {
    this.#closed = true;
    this.flush();
  }

  #endMissing(before: Spoken, { resource, schema, timeMs }: Reading): void {
    const { encoder } = this.#options;
    const same =
      before.resource === resource || sameAttributes(before.resource.attributes, resource.attributes);
    const gone = same ? goneBetween(before.schema, schema) : before.schema.families;
    if (gone.length > 0) this.#add(encoder.ended(before.resource, gone, timeMs));
  }

  #add(entry: Entry): void {
    const { clock, flushTimeoutMs, requestBytesMax } = this.#options;
    if (this.#bytes + entry.bytes > requestBytesMax) this.flush();
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#cancelFlush ??= clock.after(flushTimeoutMs, () => {
      this.#cancelFlush = undefined;
      this.flush();
    });
  }
}
