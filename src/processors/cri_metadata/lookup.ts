import type { Counter, Meter, ObservableGauge } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import { CriError, type CriFailure } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { Pod } from "../../cri/pod.ts";
import { Runtime } from "../../cri/runtime.ts";
import { observed } from "../../telemetry/observed.ts";

/** Sandboxes that appear together are asked for together. */
const GATHER_MS = 30;
/** A runtime lists a sandbox only some time after its shim was started, so the first retries follow quickly. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 30_000;
/** While the runtime does not answer: a restart takes seconds, and a try costs a millisecond. */
const RETRY_UNANSWERED_MAX_MS = 5_000;
/** How long a runtime that answers is asked for a sandbox that it does not know: one of ctr or nerdctl, most likely. */
const GIVE_UP_MS = 300_000;

export interface LookupOptions {
  readonly endpoints: CriEndpoints;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** On every metric of this lookup. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The pod of a wanted sandbox, which is then no longer wanted. Called once per `want`, and not from within it. */
  onPod(pod: Pod): void;
  /** The runtime answers, or it does not and why; called when that changes. */
  onAnswering(error: string | undefined): void;
}

interface Wanted {
  dueMs: number;
  delayMs: number;
  /** Since when a runtime that answers has not known it; undefined before the first such answer. */
  unknownSinceMs: number | undefined;
  givenUp: boolean;
}

/**
 * Finds out which pods sandboxes belong to. One list answers for all that are wanted; a sandbox that it does not have
 * is asked for again with a growing delay, and no more after `GIVE_UP_MS`, until there is reason to: a list made for
 * another sandbox, an event, a runtime that came back. At most one call is under way.
 */
export class Lookup {
  readonly #options: LookupOptions;
  readonly #runtime: Runtime;
  readonly #wanted = new Map<string, Wanted>();
  readonly #lookups: Counter;
  readonly #unresolved: ObservableGauge;
  #stopObserving: () => void = () => {};
  #runtimeAnswers: boolean | undefined;
  #asking = false;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #closed = false;

  constructor(options: LookupOptions) {
    const { endpoints, timeoutMs, meter } = options;
    this.#options = options;
    this.#runtime = new Runtime({
      endpoints,
      timeoutMs,
      onPod: (pod) => this.#found(pod),
      onLost: () => this.#hopeAgain(),
    });
    this.#lookups = meter.createCounter("otelcol_processor_cri_metadata_lookups", {
      unit: "{lookup}",
      description: "Number of times the container runtime was asked for its pod sandboxes, by outcome.",
    });
    this.#unresolved = meter.createObservableGauge("otelcol_processor_cri_metadata_unresolved_sandboxes", {
      unit: "{sandbox}",
      description: "Number of sandboxes whose pod is not known.",
    });
  }

  /** Begins to report. */
  start(): void {
    const { attributes } = this.#options;
    this.#stopObserving = observed(this.#unresolved, () => [[this.#wanted.size, attributes]]);
  }

  /** Asks for the sandbox's pod until it is known, forgotten or given up. */
  want(id: string): void {
    const dueMs = this.#nowMs() + GATHER_MS;
    this.#wanted.set(id, { dueMs, delayMs: RETRY_MIN_MS, unknownSinceMs: undefined, givenUp: false });
    this.#wakeAt(dueMs);
  }

  forget(id: string): void {
    this.#wanted.delete(id);
  }

  /** Ends every call; nothing is found any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#wanted.clear();
    this.#runtime.close();
    this.#stopObserving();
  }

  async #ask(): Promise<void> {
    const untilMs = this.#nowMs() + GATHER_MS;
    const asked = [...this.#wanted].filter(([, { dueMs, givenUp }]) => !givenUp && dueMs <= untilMs);
    if (asked.length === 0) return this.#schedule();
    this.#asking = true;
    const answer = await this.#runtime
      .pods((id) => this.#wanted.has(id))
      .catch((error: unknown) => ({ error }));
    this.#asking = false;
    if (this.#closed) return;
    const answered = answer instanceof Map;
    if (answered) this.#answered(answer);
    else this.#unanswered(answer.error);
    const nowMs = this.#nowMs();
    for (const [id, wanted] of asked) {
      if (this.#wanted.get(id) === wanted) this.#putOff(id, wanted, { nowMs, answered });
    }
    if (this.#wanted.size > 0) this.#runtime.follow();
    this.#schedule();
  }

  #putOff(id: string, wanted: Wanted, { nowMs, answered }: { nowMs: number; answered: boolean }): void {
    if (answered) {
      wanted.unknownSinceMs ??= nowMs;
      if (nowMs - wanted.unknownSinceMs >= GIVE_UP_MS) {
        wanted.givenUp = true;
        this.#options.logger.debug({ sandbox: id }, "Container runtime does not know the sandbox.");
        return;
      }
    }
    const delayMs = answered ? wanted.delayMs : Math.min(wanted.delayMs, RETRY_UNANSWERED_MAX_MS);
    wanted.dueMs = nowMs + delayMs;
    wanted.delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
  }

  #found(pod: Pod): void {
    if (this.#wanted.delete(pod.id)) this.#options.onPod(pod);
  }

  #answered(pods: ReadonlyMap<string, Pod>): void {
    this.#count("answered");
    if (this.#runtimeAnswers !== true) {
      const { endpoint, name, version } = this.#runtime.identity ?? {};
      this.#options.logger.info({ endpoint, runtime: name, version }, "Container runtime answers.");
      this.#options.onAnswering(undefined);
      if (this.#runtimeAnswers === false) this.#hopeAgain();
      this.#runtimeAnswers = true;
    }
    for (const pod of pods.values()) this.#found(pod);
  }

  #unanswered(error: unknown): void {
    this.#count(error instanceof CriError ? error.failure : "error");
    if (this.#runtimeAnswers === false) return;
    this.#runtimeAnswers = false;
    const cause = error instanceof Error ? error.message : String(error);
    this.#options.onAnswering(cause);
    this.#options.logger.warn(
      { error: cause },
      "Container runtime does not answer; new sandboxes are without their pod's name until it does.",
    );
  }

  #count(outcome: CriFailure | "answered"): void {
    this.#lookups.add(1, { ...this.#options.attributes, outcome });
  }

  /** A runtime that comes back may know what it did not know. Delays stay grown, so that a flapping one is not pressed. */
  #hopeAgain(): void {
    if (this.#closed) return;
    const nowMs = this.#nowMs();
    for (const wanted of this.#wanted.values()) {
      wanted.unknownSinceMs = undefined;
      if (wanted.givenUp) wanted.dueMs = nowMs + wanted.delayMs;
      wanted.givenUp = false;
    }
    this.#schedule();
  }

  #schedule(): void {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { dueMs, givenUp } of this.#wanted.values()) {
      if (!givenUp && dueMs < firstMs) firstMs = dueMs;
    }
    if (firstMs !== Number.POSITIVE_INFINITY) this.#wakeAt(firstMs);
  }

  /** Waking too early does no harm: `#ask` looks at what is due. */
  #wakeAt(atMs: number): void {
    if (this.#closed || this.#asking) return;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const cancel = this.#options.clock.after(atMs - this.#nowMs(), () => {
      this.#timer = undefined;
      void this.#ask();
    });
    this.#timer = { atMs, cancel };
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
