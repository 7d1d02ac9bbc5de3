// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { PodName } from "../../kata/sandboxes.ts";
import type { RuntimeWitness } from "../../kata/witnesses.ts";
import type { Runtimes } from "./runtimes.ts";

/**
 * A sandbox that was listed before and is not any more is logged after this time: while a pod is ending, a list may
 * lack it before its directory is removed.
 */
const UNLISTED_MS = 60_000;
/**
 * A sandbox that was never listed is logged after this time. Runtimes list a pod when it has started, and the kubelet
 * allows four minutes for its start.
 */
const NEVER_LISTED_MS = 300_000;
/** The most sandboxes that are named in one line of the log. */
const NAMED_MAX = 10;
/** The most lines in a minute about pods that became known. Further pods are counted, since some nodes start many. */
const LINES_MAX = 60;
const MINUTE_MS = 60_000;

/** The part of a pod that is kept as long as its sandbox exists. */
export type KnownPod = Pick<ListedPod, "uid" | "name" | "namespace" | "runtimeHandler">;

export interface WitnessOptions {
  readonly runtimes: Runtimes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Returns the current error about pods without a sandbox. */
  missingPods(): string | undefined;
  /** Called when somebody asks about a sandbox that is newer than the last list. */
  onUnasked(): void;
}

/** Answers other components' questions about the node's sandboxes from the lists of the runtimes. */
export class ListWitness implements RuntimeWitness {
  readonly #options: WitnessOptions;
  /** The pods of the node's sandboxes, also of those that are no longer listed. */
  readonly #pods = new Map<string, KnownPod>();
  /**
   * The node's sandboxes that no runtime lists, each with the time by the monotonic clock since when it is unlisted.
   * The time is infinite once the log has named the sandbox.
   */
  readonly #unlisted = new Map<string, number>();
  /** The current minute of the log: lines about pods that became known, and the number of pods without a line. */
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

  /** Keeps the pod of the sandbox, and logs it once. */
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

  /** Takes over a pod that an earlier witness knew. */
  inherit(sandboxId: string, pod: KnownPod): void {
    this.#pods.set(sandboxId, pod);
  }

  /**
   * To be called when a list has come. Notes which of the node's sandboxes are listed, and forgets those that have
   * ended.
   */
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
    if (due.length > 0) this.#logUnlisted(due);
  }

  #turnMinute(): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const { endMs, unwritten } = this.#minute;
    if (nowMs < endMs) return;
    if (unwritten > 0) logger.info({ count: unwritten }, "Pods of further sandboxes became known.");
    this.#minute = { endMs: nowMs + MINUTE_MS, lines: 0, unwritten: 0 };
  }

  #logUnlisted(ids: readonly string[]): void {
    const sandboxes = ids.slice(0, NAMED_MAX).map((sandbox) => {
      const pod = this.#pods.get(sandbox);
      return pod === undefined ? { sandbox } : { sandbox, pod: textOf(pod) };
    });
    this.#options.logger.warn(
      { count: ids.length, sandboxes },
      "Sandboxes are in no container runtime's list: left behind by their pods, or not made through the CRI.",
    );
  }
}

/** The part of the pod that is kept; undefined for a pod sandbox without metadata. */
function knownPodOf({ uid, name, namespace, runtimeHandler }: KnownPod): KnownPod | undefined {
  return name === "" ? undefined : { uid, name, namespace, runtimeHandler };
}

function textOf({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}
