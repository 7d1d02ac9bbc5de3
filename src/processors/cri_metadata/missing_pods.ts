// SPDX-License-Identifier: Apache-2.0
import type { Meter, ObservableGauge } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { ListedPod } from "../../cri/pod.ts";
import { observed } from "../../reporting/observed.ts";

/** Two lists this far apart must agree: a pod that is being removed loses its directory before it leaves the list. */
const CONFIRM_MS = 5_000;
/** Of a pod that was just made the directory may not have been seen yet. */
const GRACE_MS = 60_000;
const ERROR_MS = 120_000;
/** In one line of the log and in the error. */
const TOLD_MAX = 10;

export interface MissingPodsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether pods with this runtime handler have a sandbox directory. */
  isKata(handler: string): boolean;
  /** Where receivers look for sandboxes; empty where none has a whole view of them, and then nothing is missing. */
  roots(): readonly string[];
  /** Whether all lists are there that the comparison needs. */
  isComplete(): boolean;
}

/** A ready pod of which no receiver has a sandbox. Times are of the monotonic clock. */
interface Missing {
  readonly id: string;
  readonly pod: string;
  readonly sinceMs: number;
  /** From when on another list that has it makes it count. */
  readonly countsAtMs: number;
  readonly counts: boolean;
}

/**
 * The pods that should have a sandbox and have none: the receivers look in the wrong place, or their directories were
 * replaced on the node. A pod counts when two lists have it and it is older than `GRACE_MS`.
 */
export class MissingPods {
  readonly #options: MissingPodsOptions;
  readonly #gauge: ObservableGauge;
  /** By endpoint and id, as of each runtime's last list: an older list has pods that are gone by now. */
  readonly #missing = new Map<string, ReadonlyMap<string, Missing>>();
  #counted: readonly Missing[] = [];
  #beganMs = 0;
  /** As of the last comparison; empty before the first. */
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

  /** Begins to report. What is not known is NaN, since 0 would say that all is well. */
  start(): void {
    const { attributes, isComplete } = this.#options;
    const read = () => (this.#roots.length > 0 && isComplete() ? this.#counted.length : Number.NaN);
    this.#stopObserving = observed(this.#gauge, () => [[read(), attributes]], Number.NaN);
  }

  close(): void {
    this.#stopObserving();
  }

  /** Why the component is not well, once pods have been without a sandbox for two minutes. */
  get error(): string | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#counted.some(({ sinceMs }) => nowMs - sinceMs >= ERROR_MS)) return undefined;
    const names = this.#counted.slice(0, TOLD_MAX).map(({ id, pod }) => `${pod} (${id})`);
    const more = this.#counted.length - names.length;
    const pods = more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
    const roots = this.#roots.map((root) => JSON.stringify(root));
    return `cannot find sandboxes of ready pods under ${roots.join(", ")}: ${pods}; name the node's directories in the receiver's roots, or Kata's handlers in kata_handlers`;
  }

  /** The next time at which a list may change what counts; undefined where nothing is missing. */
  get nextMs(): number | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const times = [...this.#all()].flatMap(({ sinceMs, countsAtMs }) => [countsAtMs, sinceMs + ERROR_MS]);
    const ahead = times.filter((timeMs) => timeMs > nowMs);
    return ahead.length === 0 ? undefined : Math.min(...ahead);
  }

  /** Compares the list that has just come from a runtime with the node's sandboxes. Returns whether one is missing. */
  compare(endpoint: string, list: ReadonlyMap<string, ListedPod>, sandboxes: ReadonlySet<string>): boolean {
    const { clock, isKata } = this.#options;
    const roots = this.#options.roots();
    const nowMs = clock.monotonicMs();
    const before = this.#missing.get(endpoint);
    // Nobody knows the node's sandboxes, such as in the middle of a reload: what was missing stays so.
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

  /** Counts what is missing, and says it where that has changed. Not before every list is there that may tell. */
  count(): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const before = this.#counted;
    // One runtime may be reached at two endpoints, through a link.
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
    const pods = counted.slice(0, TOLD_MAX).map(({ id, pod }) => ({ sandbox: id, pod }));
    logger.warn(
      { count: counted.length, pods, roots: this.#roots },
      "Ready Kata pods have no sandbox in the directories that are looked at; nothing is known of them.",
    );
  }

  #all(): Iterable<Missing> {
    return [...this.#missing.values()].flatMap((missing) => [...missing.values()]);
  }
}

/** From now on; its age by the runtime's word counts too, so that an agent that starts later need not wait. */
function missingSince({ id, name, namespace, createdAtMs }: ListedPod, clock: Clock): Missing {
  const sinceMs = clock.monotonicMs();
  // The clock may have been set back since the pod was made.
  const ageMs = Math.max(0, clock.nowMs() - createdAtMs);
  const countsAtMs = sinceMs + Math.max(CONFIRM_MS, GRACE_MS - ageMs);
  return { id, pod: `${namespace}/${name}`, sinceMs, countsAtMs, counts: false };
}
