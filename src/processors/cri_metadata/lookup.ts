// SPDX-License-Identifier: Apache-2.0
import type { Counter, Meter, ObservableGauge } from "@opentelemetry/api";
import type { Clock } from "../../clock/clock.ts";
import { CriError, type CriFailure } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod, Pod, PodEvent } from "../../cri/pod.ts";
import { ContainerRuntime, type RuntimeIdentity } from "../../cri/runtime.ts";
import { observed } from "../../reporting/observed.ts";

/** How often runtimes are asked for their lists if there is no other reason. */
const LIST_INTERVAL_MS = 60_000;
/** The least time between two lists that events cause, since there may be many events. */
const SOON_MS = 5_000;
/** Sandboxes that appear within this time are asked for together. */
const GATHER_MS = 30;
/**
 * The first pause after a list that lacks a wanted sandbox. It is short, since a runtime lists a sandbox soon after its
 * shim has started.
 */
const RETRY_MIN_MS = 200;
/**
 * When the pause after a list that lacks a wanted sandbox would be this long, no more lists are asked for because of
 * that sandbox. It was probably made by ctr or nerdctl; the list of each minute still counts.
 */
const RETRY_MAX_MS = 30_000;
/** The pause after a temporary failure. A runtime restarts within seconds, and a call costs a millisecond. */
const RETRY_UNANSWERED_MS = 5_000;
/** The failures after which the next call may succeed. A list that is too large, for one, would be too large again. */
const TEMPORARY: ReadonlySet<CriFailure> = new Set(["unavailable", "replaced", "timeout", "error"]);

/** Gets the answers of the runtimes. */
export interface PodLookupListener {
  /** Called when calls to these endpoints begin. */
  asking(endpoints: readonly string[]): void;
  /** Called with each list that a runtime has returned. */
  listed(from: RuntimeIdentity, list: ReadonlyMap<string, ListedPod>): void;
  /**
   * Called when a call has failed. Returns whether the endpoint's answer is needed: at some well-known endpoints there
   * is no runtime.
   */
  failed(endpoint: string, error: CriError): boolean;
  /**
   * Called with the pod of a sandbox for which `want` was called: once for each call of `want`, after that call has
   * returned.
   */
  found(pod: Pod): void;
  /** Called with each event of a runtime. Returns whether the event is a reason to ask for a list. */
  happened(event: PodEvent): boolean;
}

export interface PodLookupOptions {
  readonly endpoints: CriEndpoints;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
  /** The attributes of all metrics of this lookup. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly listener: PodLookupListener;
}

/** A sandbox for which `want` was called and whose pod has not been found. */
interface Wanted {
  /** When a list is asked for next because of this sandbox; infinite if the list of each minute must be enough. */
  dueMs: number;
  /** The pause after the list at `dueMs`. It doubles with each list. */
  delayMs: number;
}

/** The runtime at one endpoint, and the state of the calls to it. */
interface RuntimeCalls {
  readonly runtime: ContainerRuntime;
  isAsking: boolean;
  /** When the next call may begin. After an answer there is a pause as long as the call was. */
  freeAtMs: number;
}

/**
 * Asks the runtimes at all endpoints for their lists:
 *
 * - each minute;
 * - soon after an event;
 * - for each sandbox for which `want` is called, at once and then with growing pauses, until a runtime lists it.
 *
 * Each endpoint has at most one call under way. Endpoints do not wait for each other.
 */
export class PodLookup {
  readonly #options: PodLookupOptions;
  readonly #runtimes: readonly RuntimeCalls[];
  readonly #wanted = new Map<string, Wanted>();
  readonly #lookups: Counter;
  readonly #unresolved: ObservableGauge;
  #stopObserving: () => void = () => {};
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #listAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: PodLookupOptions) {
    const { endpoints, timeoutMs, meter } = options;
    this.#options = options;
    this.#runtimes = endpoints.map((endpoint) => ({
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

  /** Begins to ask the runtimes for their lists, and to report how many sandboxes have no known pod. */
  start(): void {
    const { attributes } = this.#options;
    this.#stopObserving = observed(this.#unresolved, () => [[this.#wanted.size, attributes]]);
    this.listAt(this.#nowMs() + GATHER_MS);
  }

  /** Asks for the sandbox's pod until a runtime lists the pod, or until `forget` is called. */
  want(id: string): void {
    const dueMs = this.#nowMs() + GATHER_MS;
    this.#wanted.set(id, { dueMs, delayMs: RETRY_MIN_MS });
    if (this.#timer === undefined || dueMs < this.#timer.atMs) this.#schedule();
  }

  forget(id: string): void {
    this.#wanted.delete(id);
  }

  /** Asks for lists at this time of the monotonic clock, or earlier. */
  listAt(timeMs: number): void {
    if (timeMs >= this.#listAtMs) return;
    this.#listAtMs = timeMs;
    this.#schedule();
  }

  /** Asks for lists within a few seconds. */
  listSoon(): void {
    this.listAt(Math.max(this.#nowMs() + GATHER_MS, this.#askedAtMs + SOON_MS));
  }

  /** Ends all calls. The listener is not called any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#wanted.clear();
    for (const { runtime } of this.#runtimes) runtime.close();
    this.#stopObserving();
  }

  /** Begins the calls that are due. */
  #askDue(): void {
    const nowMs = this.#nowMs();
    const free = this.#runtimes.filter(({ isAsking, freeAtMs }) => !isAsking && freeAtMs <= nowMs);
    // There may be no reason to ask any more: the sandbox for which the timer was set may have been forgotten.
    if (free.length > 0 && this.#dueMs() <= nowMs) {
      this.#askedAtMs = nowMs;
      this.#listAtMs = nowMs + LIST_INTERVAL_MS;
      this.#reschedule(nowMs);
      this.#options.listener.asking(free.map(({ runtime }) => runtime.endpoint));
      for (const calls of free) void this.#ask(calls);
    }
    this.#schedule();
  }

  /** Sets the next times for the sandboxes that the calls which begin now may find. */
  #reschedule(nowMs: number): void {
    for (const wanted of this.#wanted.values()) {
      if (wanted.dueMs > nowMs + GATHER_MS) continue;
      wanted.dueMs = wanted.delayMs < RETRY_MAX_MS ? nowMs + wanted.delayMs : Number.POSITIVE_INFINITY;
      wanted.delayMs *= 2;
    }
  }

  async #ask(calls: RuntimeCalls): Promise<void> {
    const { runtime } = calls;
    const beganMs = this.#nowMs();
    calls.isAsking = true;
    const answer = await runtime.pods((id) => this.#wanted.has(id)).catch((error: unknown) => ({ error }));
    calls.isAsking = false;
    if (this.#closed) return;
    if ("error" in answer) this.#failed(runtime.endpoint, answer.error);
    else {
      const nowMs = this.#nowMs();
      calls.freeAtMs = nowMs + (nowMs - beganMs);
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
    if (TEMPORARY.has(known.failure)) this.listAt(this.#nowMs() + RETRY_UNANSWERED_MS);
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

  /** Sets the timer for the next calls. If calls to all endpoints are under way, there is none: the end of a call sets it. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const idle = this.#runtimes.filter(({ isAsking }) => !isAsking);
    if (this.#closed || idle.length === 0) return;
    const freeAtMs = Math.min(...idle.map((calls) => calls.freeAtMs));
    const atMs = Math.max(this.#dueMs(), freeAtMs);
    if (atMs === Number.POSITIVE_INFINITY) return;
    const cancel = this.#options.clock.after(atMs - this.#nowMs(), () => this.#askDue());
    this.#timer = { atMs, cancel };
  }

  /** The next time at which there is a reason to ask. */
  #dueMs(): number {
    let firstMs = this.#listAtMs;
    for (const { dueMs } of this.#wanted.values()) if (dueMs < firstMs) firstMs = dueMs;
    return firstMs;
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
