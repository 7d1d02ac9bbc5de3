// SPDX-License-Identifier: Apache-2.0
import type { Counter, Meter, ObservableGauge } from "@opentelemetry/api";
import type { Clock } from "../../clock/clock.ts";
import { CriError, type CriFailure } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod, Pod, PodEvent } from "../../cri/pod.ts";
import { ContainerRuntime, type RuntimeIdentity } from "../../cri/runtime.ts";
import { observed } from "../../reporting/observed.ts";

/** How often runtimes are asked for their lists without another reason. */
const LIST_INTERVAL_MS = 60_000;
/** The least time between two lists for events and the like, of which there may be many. */
const SOON_MS = 5_000;
/** Sandboxes that appear together are asked for together. */
const GATHER_MS = 30;
/** A runtime lists a sandbox only some time after its shim was started, so the first retries follow quickly. */
const RETRY_MIN_MS = 200;
/** A sandbox that is in no list by then is left to the list of each minute: one of ctr or nerdctl, most likely. */
const RETRY_MAX_MS = 30_000;
/** While a runtime is down, hangs or says an error: a restart takes seconds, and a try costs a millisecond. */
const RETRY_UNANSWERED_MS = 5_000;
/** The failures that such a try may find to be over; another list of the same size is as much too large. */
const PASSING: ReadonlySet<CriFailure> = new Set(["unavailable", "replaced", "timeout", "error"]);

/** Whoever judges what the runtimes say. */
export interface PodLookupListener {
  /** Calls begin. */
  asking(endpoints: readonly string[]): void;
  /** The whole list of a runtime has come. */
  listed(from: RuntimeIdentity, list: ReadonlyMap<string, ListedPod>): void;
  /** A call has failed. Returns whether the endpoint's answer is waited for. */
  failed(endpoint: string, error: CriError): boolean;
  /** The pod of a wanted sandbox, which is then no longer wanted. Called once per `want`, and not from within it. */
  found(pod: Pod): void;
  /** An event has come. Returns whether it is a reason to ask for a list. */
  happened(event: PodEvent): boolean;
}

export interface PodLookupOptions {
  readonly endpoints: CriEndpoints;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
  /** On every metric of this lookup. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly listener: PodLookupListener;
}

interface Wanted {
  dueMs: number;
  delayMs: number;
}

interface Place {
  readonly runtime: ContainerRuntime;
  isAsking: boolean;
  /** A runtime rests after an answer for as long as the answer took. */
  freeAtMs: number;
}

/**
 * Asks the runtimes at all endpoints for their lists: each minute, soon after something has happened, and for sandboxes
 * whose pods are wanted, with a growing delay until one lists them. Each endpoint has one call under way at most, and
 * none waits for another.
 */
export class PodLookup {
  readonly #options: PodLookupOptions;
  readonly #places: readonly Place[];
  readonly #wanted = new Map<string, Wanted>();
  readonly #lookups: Counter;
  readonly #unresolved: ObservableGauge;
  #stopObserving: () => void = () => {};
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #listAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: PodLookupOptions) {
    const { endpoints, timeoutMs, meter } = options;
    this.#options = options;
    this.#places = endpoints.map((endpoint) => ({
      runtime: new ContainerRuntime({
        endpoint,
        timeoutMs,
        onEvent: (event) => this.#happened(event),
        onLost: () => this.listSoon(),
      }),
      isAsking: false,
      freeAtMs: Number.NEGATIVE_INFINITY,
    }));
    this.#lookups = meter.createCounter("otelcol_processor_cri_metadata_lookups", {
      unit: "{lookup}",
      description: "Number of times the container runtime was asked for its pod sandboxes, by outcome.",
    });
    this.#unresolved = meter.createObservableGauge("otelcol_processor_cri_metadata_unresolved_sandboxes", {
      unit: "{sandbox}",
      description: "Number of sandboxes whose pod is not known.",
    });
  }

  /** Begins to ask and to report. */
  start(): void {
    const { attributes } = this.#options;
    this.#stopObserving = observed(this.#unresolved, () => [[this.#wanted.size, attributes]]);
    this.listAt(this.#nowMs() + GATHER_MS);
  }

  /** Asks for the sandbox's pod until it is known or forgotten. */
  want(id: string): void {
    const dueMs = this.#nowMs() + GATHER_MS;
    this.#wanted.set(id, { dueMs, delayMs: RETRY_MIN_MS });
    if (this.#timer === undefined || dueMs < this.#timer.atMs) this.#schedule();
  }

  forget(id: string): void {
    this.#wanted.delete(id);
  }

  /** Sees to it that lists are asked for at this time of the monotonic clock at the latest. */
  listAt(timeMs: number): void {
    if (timeMs >= this.#listAtMs) return;
    this.#listAtMs = timeMs;
    this.#schedule();
  }

  /** The same for the next few seconds. */
  listSoon(): void {
    this.listAt(Math.max(this.#nowMs() + GATHER_MS, this.#lookedAtMs + SOON_MS));
  }

  /** Ends every call; nothing is found any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#wanted.clear();
    for (const { runtime } of this.#places) runtime.close();
    this.#stopObserving();
  }

  #look(): void {
    const nowMs = this.#nowMs();
    const free = this.#places.filter(({ isAsking, freeAtMs }) => !isAsking && freeAtMs <= nowMs);
    // A sandbox that was forgotten may have been the only reason for this look.
    if (free.length > 0 && this.#dueMs() <= nowMs) {
      this.#lookedAtMs = nowMs;
      this.#listAtMs = nowMs + LIST_INTERVAL_MS;
      this.#putOff(nowMs);
      this.#options.listener.asking(free.map(({ runtime }) => runtime.endpoint));
      for (const place of free) void this.#ask(place);
    }
    this.#schedule();
  }

  #putOff(nowMs: number): void {
    for (const wanted of this.#wanted.values()) {
      if (wanted.dueMs > nowMs + GATHER_MS) continue;
      wanted.dueMs = wanted.delayMs < RETRY_MAX_MS ? nowMs + wanted.delayMs : Number.POSITIVE_INFINITY;
      wanted.delayMs *= 2;
    }
  }

  async #ask(place: Place): Promise<void> {
    const { runtime } = place;
    const beganMs = this.#nowMs();
    place.isAsking = true;
    const answer = await runtime.pods((id) => this.#wanted.has(id)).catch((error: unknown) => ({ error }));
    place.isAsking = false;
    if (this.#closed) return;
    if ("error" in answer) this.#failed(runtime.endpoint, answer.error);
    else {
      const nowMs = this.#nowMs();
      place.freeAtMs = nowMs + (nowMs - beganMs);
      this.#count("answered");
      this.#options.listener.listed(answer.from, answer.list.all);
      for (const pod of answer.list.wanted) this.#found(pod);
      runtime.follow();
    }
    this.#schedule();
  }

  #failed(endpoint: string, error: unknown): void {
    const known = error instanceof CriError ? error : new CriError(String(error), "error");
    if (!this.#options.listener.failed(endpoint, known)) return;
    this.#count(known.failure);
    if (PASSING.has(known.failure)) this.listAt(this.#nowMs() + RETRY_UNANSWERED_MS);
  }

  #found(pod: Pod): void {
    if (this.#wanted.delete(pod.id)) this.#options.listener.found(pod);
  }

  #happened(event: PodEvent): void {
    if (this.#closed) return;
    if (event.pod !== undefined) this.#found(event.pod);
    if (this.#options.listener.happened(event)) this.listSoon();
  }

  #count(outcome: CriFailure | "answered"): void {
    this.#lookups.add(1, { ...this.#options.attributes, outcome });
  }

  /** While every endpoint is being asked there is no timer: the end of a call comes here. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const idle = this.#places.filter(({ isAsking }) => !isAsking);
    if (this.#closed || idle.length === 0) return;
    const freeAtMs = Math.min(...idle.map((place) => place.freeAtMs));
    const atMs = Math.max(this.#dueMs(), freeAtMs);
    if (atMs === Number.POSITIVE_INFINITY) return;
    const cancel = this.#options.clock.after(atMs - this.#nowMs(), () => this.#look());
    this.#timer = { atMs, cancel };
  }

  /** When there is a reason to ask. */
  #dueMs(): number {
    let firstMs = this.#listAtMs;
    for (const { dueMs } of this.#wanted.values()) if (dueMs < firstMs) firstMs = dueMs;
    return firstMs;
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
