import type { Outgoing } from "../../delivery/queue.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { type Batch, encodeBatches } from "./encode.ts";
import { Identities } from "./identity.ts";
import { goneBetween, type PlanOptions, planOf, type Said } from "./reading_plan.ts";

export interface RemoteWriteRequestsOptions extends PlanOptions {
  readonly requestBytesMax: number;
  /** Takes each request, in order. Whether it was kept; otherwise it is lost. */
  emit(request: Outgoing): boolean;
}

/** Resources whose series are followed. Of those beyond, it is not said when their series end. */
const RESOURCES_MAX = 16_384;

/** What was last said about a resource: when it changes, series end. */
interface Spoken extends Said {
  readonly timeMs: number;
}

/**
 * Turns readings into requests, one by one: two of them are joined by putting one behind the other. A series that a
 * resource stops reporting is ended in front of the reading that lacks it, all of them when the resource is gone.
 *
 * A receiver refuses a whole request for two samples of one series at one time. So where two resources have the same
 * labels, only the first one is heard, and of two readings at one time the second is a millisecond later.
 */
export class RemoteWriteRequests {
  readonly #options: RemoteWriteRequestsOptions;
  readonly #identities: Identities;
  /** By resource. */
  readonly #spoken = new Map<string, Spoken>();
  /** Whose series they are, by the identity's text. */
  readonly #owners = new Map<string, string>();

  constructor(options: RemoteWriteRequestsOptions) {
    this.#options = options;
    this.#identities = new Identities(options.labels);
  }

  consume(reading: Reading): void {
    const { resource, values } = reading;
    const identity = this.#identities.of(resource);
    const before = this.#spoken.get(resource.key);
    const timeMs = laterThan(before, reading.timeMs);
    if ((this.#owners.get(identity.text) ?? resource.key) !== resource.key) {
      this.#options.onConflict({ reason: "series", name: identity.text });
      this.#endAll(resource.key, timeMs);
      return;
    }
    const said = { identity, plan: planOf(reading, identity, this.#options) };
    const batches: Batch[] = [];
    if (before !== undefined) {
      const blocks = goneBetween(before, said);
      if (blocks.length > 0) batches.push({ identity: before.identity, blocks, values: undefined, timeMs });
    }
    batches.push({ identity, blocks: said.plan.blocks, values, timeMs });
    const { requestBytesMax, emit } = this.#options;
    const requests = encodeBatches(batches, requestBytesMax);
    // Each is taken or lost by itself. Where one is lost, what the peer knows is what it was told before.
    let isKept = true;
    for (const request of requests) isKept = emit({ ...request, source: resource.key }) && isKept;
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

  #forget(key: string): void {
    const before = this.#spoken.get(key);
    if (before === undefined) return;
    this.#spoken.delete(key);
    this.#owners.delete(before.identity.text);
  }

  #endAll(key: string, timeMs: number): void {
    const before = this.#spoken.get(key);
    if (before === undefined) return;
    const { identity, plan } = before;
    this.#forget(key);
    // Two samples of one series at one time would contradict each other.
    const endMs = Math.max(timeMs, before.timeMs + 1);
    const { requestBytesMax, emit } = this.#options;
    const batch = { identity, blocks: plan.blocks, values: undefined, timeMs: endMs };
    for (const request of encodeBatches([batch], requestBytesMax)) {
      emit({ ...request, points: 0, endPoints: request.points, source: key, isEnd: true });
    }
  }
}

/** A clock that was set back further is a matter for the receiver, which may take samples out of order. */
const OVERLAP_MS_MAX = 1_000;

function laterThan(before: Spoken | undefined, timeMs: number): number {
  if (before === undefined || timeMs > before.timeMs) return timeMs;
  return before.timeMs - timeMs < OVERLAP_MS_MAX ? before.timeMs + 1 : timeMs;
}
