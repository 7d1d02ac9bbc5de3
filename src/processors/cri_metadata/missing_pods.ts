// SPDX-License-Identifier: Apache-2.0
import type { Meter, ObservableGauge } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { ListedPod } from "../../cri/pod.ts";
import { observed } from "../../reporting/observed.ts";

/**
 * A pod counts only if two lists that are this far apart have it: while a pod is removed, its directory is removed
 * before the runtime stops listing the pod.
 */
const CONFIRM_MS = 5_000;
/** A pod that was made less than this ago does not count, since its directory may not have been found yet. */
const GRACE_MS = 60_000;
/** When pods have been without a sandbox for this time, the receivers get an error. */
const ERROR_MS = 120_000;
/** The most pods that are named in one line of the log, and in the error. */
const NAMED_MAX = 10;

export interface MissingPodsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether pods with this runtime handler have a sandbox directory. */
  isKata(handler: string): boolean;
  /**
   * The directories in which receivers look for sandboxes. If there are none, the node's sandboxes are not known, and
   * no pod is missing.
   */
  roots(): readonly string[];
  /** Whether all runtimes whose lists are needed have answered. */
  isComplete(): boolean;
}

/** A ready pod without a sandbox in any receiver. Times are those of the monotonic clock. */
interface Missing {
  readonly id: string;
  readonly pod: string;
  readonly sinceMs: number;
  /** From this time on, a list that has the pod makes it count. */
  readonly countsAtMs: number;
  readonly counts: boolean;
}

/**
 * Finds the pods that should have a sandbox and have none. If there are such pods, the receivers probably look in the
 * wrong directories, or the directories were replaced on the node. A pod counts when it is older than `GRACE_MS` and
 * two lists have it that are `CONFIRM_MS` apart.
 */
export class MissingPods {
  readonly #options: MissingPodsOptions;
  readonly #gauge: ObservableGauge;
  /** The missing pods in the last list of each runtime, by endpoint and id. */
  readonly #missing = new Map<string, ReadonlyMap<string, Missing>>();
  #counted: readonly Missing[] = [];
  #beganMs = 0;
  /** The receivers' roots at the last comparison; empty before the first. */
  #roots: readonly string[] = [];
  #stopObserving: () => void = () => {};

  constructor(options: MissingPodsOptions) {
    this.#options = options;
    this.#gauge = options.meter.createObservableGauge("kata_collector_pods_without_sandbox", {
      unit: "{pod}",
      description:
        "Number of ready pods of the container runtime whose handler is Kata's and of which no receiver has found a sandbox.",
    });
  }

  /** Begins to report the metric. It is NaN while the number is not known, since 0 would mean that all is well. */
  start(): void {
    const { attributes, isComplete } = this.#options;
    const read = () => (this.#roots.length > 0 && isComplete() ? this.#counted.length : Number.NaN);
    this.#stopObserving = observed(this.#gauge, () => [[read(), attributes]], Number.NaN);
  }

  close(): void {
    this.#stopObserving();
  }

  /** The error of the receivers; undefined until pods have been without a sandbox for `ERROR_MS`. */
  get error(): string | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#counted.some(({ sinceMs }) => nowMs - sinceMs >= ERROR_MS)) return undefined;
    const names = this.#counted.slice(0, NAMED_MAX).map(({ id, pod }) => `${pod} (${id})`);
    const more = this.#counted.length - names.length;
    const pods = more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
    const roots = this.#roots.map((root) => JSON.stringify(root));
    return `cannot find sandboxes of ready pods under ${roots.join(", ")}: ${pods}; name the node's directories in the receiver's roots, or Kata's handlers in kata_handlers`;
  }

  /**
   * The next time at which another list may make a pod count, or may give the receivers an error; undefined if there is
   * no such time.
   */
  get nextMs(): number | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const times = [...this.#all()].flatMap(({ sinceMs, countsAtMs }) => [countsAtMs, sinceMs + ERROR_MS]);
    const ahead = times.filter((timeMs) => timeMs > nowMs);
    return ahead.length === 0 ? undefined : Math.min(...ahead);
  }

  /** Compares a runtime's new list with the node's sandboxes. Returns whether a pod is missing. */
  compare(endpoint: string, list: ReadonlyMap<string, ListedPod>, sandboxes: ReadonlySet<string>): boolean {
    const { clock, isKata } = this.#options;
    const roots = this.#options.roots();
    const nowMs = clock.monotonicMs();
    const before = this.#missing.get(endpoint);
    // While the node's sandboxes are not known, such as during a reload, the pods that were missing before stay
    // missing.
    if (roots.length === 0) return (before?.size ?? 0) > 0;
    this.#roots = roots;
    const missing = new Map<string, Missing>();
    for (const pod of list.values()) {
      if (!pod.isReady || sandboxes.has(pod.id) || !isKata(pod.runtimeHandler)) continue;
      const known = before?.get(pod.id) ?? missingSince(pod, clock);
      missing.set(pod.id, { ...known, counts: nowMs >= known.countsAtMs });
    }
    this.#missing.set(endpoint, missing);
    return missing.size > 0;
  }

  /** Counts the missing pods, and logs changes. To be called when all runtimes whose lists are needed have answered. */
  count(): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const before = this.#counted;
    // The same runtime may be at two endpoints, one of which is a link to the other. Each of its pods counts once.
    const byId = new Map([...this.#all()].filter(({ counts }) => counts).map((one) => [one.id, one]));
    const counted = [...byId.values()];
    this.#counted = counted;
    const known = new Set(before.map(({ id }) => id));
    if (before.length === counted.length && counted.every(({ id }) => known.has(id))) return;
    if (before.length === 0) this.#beganMs = nowMs;
    if (counted.length === 0) {
      const seconds = Math.round((nowMs - this.#beganMs) / 1_000);
      logger.info({ seconds }, "Every ready Kata pod has a sandbox again.");
      return;
    }
    const pods = counted.slice(0, NAMED_MAX).map(({ id, pod }) => ({ sandbox: id, pod }));
    logger.warn(
      { count: counted.length, pods, roots: this.#roots },
      "Ready Kata pods have no sandbox in the directories that are looked at; nothing is known of them.",
    );
  }

  #all(): Iterable<Missing> {
    return [...this.#missing.values()].flatMap((missing) => [...missing.values()]);
  }
}

/**
 * Notes a pod that is missing since now. The pod's age so far counts towards `GRACE_MS`, so that an agent that starts
 * after the pod need not wait for the whole of it.
 */
function missingSince({ id, name, namespace, createdAtMs }: ListedPod, clock: Clock): Missing {
  const sinceMs = clock.monotonicMs();
  // The clock may have been set back since the pod was made.
  const ageMs = Math.max(0, clock.nowMs() - createdAtMs);
  const countsAtMs = sinceMs + Math.max(CONFIRM_MS, GRACE_MS - ageMs);
  return { id, pod: `${namespace}/${name}`, sinceMs, countsAtMs, counts: false };
}
