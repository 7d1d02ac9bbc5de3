// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { PodName } from "../../kata/sandboxes.ts";
import type { RuntimeWitness } from "../../kata/witnesses.ts";
import type { Runtimes } from "./runtimes.ts";

/** How long a sandbox may be listed no more before it is said: pods end, and lists are made meanwhile. */
const UNLISTED_MS = 60_000;
/** The same of one that was never listed: runtimes list a pod once it has started, for which the kubelet gives it four minutes. */
const NEVER_LISTED_MS = 300_000;
/** In one line of the log. */
const TOLD_MAX = 10;

/** Lines about pods that are known, in a minute; others are counted, since nodes with much churn start many. */
const LINES_MAX = 60;
const MINUTE_MS = 60_000;

/** What is kept of a pod as long as its sandbox is there. */
export type KnownPod = Pick<ListedPod, "uid" | "name" | "namespace" | "runtimeHandler">;

export interface WitnessOptions {
  readonly runtimes: Runtimes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The error about pods without a sandbox, as of now. */
  missingPods(): string | undefined;
  /** Somebody asks about a sandbox that came after the last list. */
  onUnasked(): void;
}

/** What the lists of the runtimes say about the node's sandboxes, for whoever asks by their ids. */
export class ListWitness implements RuntimeWitness {
  readonly #options: WitnessOptions;
  /** Of the node's sandboxes, also of those that are listed no more. */
  readonly #pods = new Map<string, KnownPod>();
  /** The node's sandboxes that no runtime lists, with the time since when; infinite once it was said. */
  readonly #unlisted = new Map<string, number>();

  /** Of the log: lines about known pods, and pods of which there was none. */
  #minute = { endMs: 0, lines: 0, unwritten: 0 };

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  get missingPods(): string | undefined {
    return this.#options.missingPods();
  }

  podOf(sandboxId: string): KnownPod | undefined {
    const known = this.#pods.get(sandboxId);
    if (known !== undefined) return known;
    const listed = this.#options.runtimes.find(sandboxId);
    return listed === undefined ? undefined : knownPodOf(listed);
  }

  lists(sandboxId: string): boolean | undefined {
    const answer = this.#options.runtimes.lists(sandboxId);
    if (answer === "unasked") this.#options.onUnasked();
    if (answer === "listed") return true;
    return answer === "unlisted" ? false : undefined;
  }

  /** Keeps the pod's name for the sandbox, and says it once. */
  learn(pod: KnownPod & { readonly id: string }): void {
    const known = knownPodOf(pod);
    if (known === undefined || this.#pods.has(pod.id)) return;
    this.#pods.set(pod.id, known);
    this.#turnMinute();
    if (this.#minute.lines >= LINES_MAX) {
      this.#minute.unwritten++;
      return;
    }
    this.#minute.lines++;
    this.#options.logger.info({ sandbox: pod.id, pod: textOf(known) }, "Pod of the sandbox is known.");
  }

  /** Goes on with what the witness before this one knew of the sandbox. */
  inherit(sandboxId: string, pod: KnownPod): void {
    this.#pods.set(sandboxId, pod);
  }

  /** A list has come: looks which of the node's sandboxes are in one, and forgets those that have ended. */
  compare(sandboxes: ReadonlySet<string>): void {
    this.#turnMinute();
    for (const known of [this.#pods, this.#unlisted]) {
      for (const id of known.keys()) if (!sandboxes.has(id)) known.delete(id);
    }
    const { runtimes, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const due: string[] = [];
    for (const id of sandboxes) {
      const listed = this.#pods.has(id) ? undefined : runtimes.find(id);
      if (listed !== undefined) this.learn(listed);
      if (runtimes.lists(id) !== "unlisted") {
        this.#unlisted.delete(id);
        continue;
      }
      const sinceMs = this.#unlisted.get(id) ?? nowMs;
      const isDue = nowMs - sinceMs >= (this.#pods.has(id) ? UNLISTED_MS : NEVER_LISTED_MS);
      if (isDue) due.push(id);
      this.#unlisted.set(id, isDue ? Number.POSITIVE_INFINITY : sinceMs);
    }
    if (due.length > 0) this.#tell(due);
  }

  #turnMinute(): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const { endMs, unwritten } = this.#minute;
    if (nowMs < endMs) return;
    if (unwritten > 0) logger.info({ count: unwritten }, "Pods of further sandboxes became known.");
    this.#minute = { endMs: nowMs + MINUTE_MS, lines: 0, unwritten: 0 };
  }

  #tell(ids: readonly string[]): void {
    const sandboxes = ids.slice(0, TOLD_MAX).map((sandbox) => {
      const pod = this.#pods.get(sandbox);
      return pod === undefined ? { sandbox } : { sandbox, pod: textOf(pod) };
    });
    this.#options.logger.warn(
      { count: ids.length, sandboxes },
      "Sandboxes are in no container runtime's list: left behind by their pods, or not made through the CRI.",
    );
  }
}

/** Undefined for a pod sandbox without metadata. */
function knownPodOf({ uid, name, namespace, runtimeHandler }: KnownPod): KnownPod | undefined {
  return name === "" ? undefined : { uid, name, namespace, runtimeHandler };
}

function textOf({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}
