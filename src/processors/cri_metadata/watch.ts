// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod, Pod, PodEvent } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";
import { SANDBOX_SOURCES, type SandboxSource } from "../../kata/sandboxes.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { compileHandlers } from "./handlers.ts";
import { PodLookup, type PodLookupListener } from "./lookup.ts";
import { MissingPods } from "./missing_pods.ts";
import { Runtimes } from "./runtimes.ts";
import { type KnownPod, ListWitness } from "./witness.ts";

export interface RuntimeWatchOptions {
  readonly endpoints: CriEndpoints;
  readonly timeoutMs: number;
  readonly kataHandlers: readonly string[];
  readonly settings: Settings;
  /**
   * Returns the ids of sandboxes of which the processor has readings. The lists of the receivers may lack some of them.
   */
  sandboxIds(): Iterable<string>;
  /**
   * Called with the pod of a sandbox for which `want` was called: once for each call of `want`, after that call has
   * returned.
   */
  onPod(pod: Pod): void;
}

/**
 * Compares the node's sandboxes with the lists of its container runtime. It finds out which pod a sandbox belongs to,
 * which sandboxes no runtime lists, and which pods have no sandbox. It reports its findings to other components as a
 * witness, and to the user in the log, the status and a metric. It adds and removes no sandbox.
 */
export class RuntimeWatch {
  readonly #options: RuntimeWatchOptions;
  readonly #isKata: (handler: string) => boolean;
  readonly #runtimes: Runtimes;
  readonly #missing: MissingPods;
  readonly #witness: ListWitness;
  readonly #lookup: PodLookup;
  /** The node's sandboxes at the time of the last call or list. */
  #sandboxes: ReadonlySet<string> = new Set();
  /**
   * True while this watch asks the receivers for their sandboxes. To answer, they question the witness, and these
   * questions must not cause a list.
   */
  #isReading = false;
  #withdraw: () => void = () => {};

  constructor(options: RuntimeWatchOptions) {
    const { endpoints, timeoutMs, kataHandlers, settings } = options;
    const { id, clock, logger, meter } = settings;
    const attributes = { processor: id };
    this.#options = options;
    this.#isKata = compileHandlers(kataHandlers);
    this.#runtimes = new Runtimes({ endpoints, clock, logger });
    this.#missing = new MissingPods({
      clock,
      logger,
      meter,
      attributes,
      isKata: this.#isKata,
      roots: () => this.#roots(),
      isComplete: () => this.#runtimes.isComplete,
    });
    this.#witness = new ListWitness({
      runtimes: this.#runtimes,
      clock,
      logger,
      missingPods: () => this.#missing.error,
      onUnasked: () => {
        if (!this.#isReading) this.#lookup.listSoon();
      },
    });
    this.#lookup = new PodLookup({
      endpoints,
      timeoutMs,
      clock,
      meter,
      attributes,
      listener: this.#listener(),
    });
  }

  start(): void {
    const witnesses = this.#options.settings.host.single(WITNESSES);
    const before = Array.from(witnesses.all(), ([, one]) => one).filter((one) => one instanceof ListWitness);
    for (const id of this.#sandboxIds()) {
      for (const witness of before) {
        const pod = witness.podOf(id);
        if (pod !== undefined) this.#witness.inherit(id, pod);
      }
    }
    this.#withdraw = witnesses.add(this.#options.settings.id, this.#witness);
    this.#missing.start();
    this.#lookup.start();
  }

  /** Asks for the sandbox's pod until a runtime lists the pod, or until `forget` is called. */
  want(id: string): void {
    this.#lookup.want(id);
  }

  forget(id: string): void {
    this.#lookup.forget(id);
  }

  /**
   * The sandbox's pod, without labels and annotations. It is known from the first list that has the pod until the
   * sandbox ends; undefined before.
   */
  podOf(id: string): KnownPod | undefined {
    return this.#witness.podOf(id);
  }

  /** Ends all calls. `onPod` is not called any more. */
  close(): void {
    this.#withdraw();
    this.#lookup.close();
    this.#missing.close();
  }

  #listener(): PodLookupListener {
    return {
      asking: (endpoints) => {
        this.#sandboxes = this.#sandboxIds();
        for (const endpoint of endpoints) this.#runtimes.asked(endpoint, this.#sandboxes);
      },
      listed: (from, list) => this.#listed(from, list),
      failed: (endpoint, error) => {
        const isNeeded = this.#runtimes.failed(endpoint, error);
        this.#report();
        return isNeeded;
      },
      found: (pod) => {
        this.#witness.learn(pod);
        this.#options.onPod(pod);
      },
      happened: ({ containerId, pod }: PodEvent) =>
        this.#sandboxes.has(pod?.id ?? containerId) ||
        (pod !== undefined && this.#isKata(pod.runtimeHandler)),
    };
  }

  #listed(from: RuntimeIdentity, list: ReadonlyMap<string, ListedPod>): void {
    const sandboxes = this.#sandboxIds();
    this.#sandboxes = sandboxes;
    const lacksSandboxes = this.#missing.compare(from.endpoint, list, sandboxes);
    this.#runtimes.answered(from, { list, sandboxes, lacksSandboxes });
    this.#witness.compare(sandboxes);
    if (this.#runtimes.isComplete) this.#missing.count();
    const { nextMs } = this.#missing;
    if (nextMs !== undefined) this.#lookup.listAt(nextMs);
    this.#report();
  }

  #report(): void {
    const { host, id } = this.#options.settings;
    const { fault } = this.#runtimes;
    const needsRestart = fault?.needsRestart ?? false;
    const state = fault === undefined ? "ok" : needsRestart ? "permanent_error" : "recoverable_error";
    host.statuses.report("processor", id, state, fault?.error, { needsRestart });
  }

  #sources(): readonly SandboxSource[] {
    return Array.from(this.#options.settings.host.single(SANDBOX_SOURCES).all(), ([, source]) => source);
  }

  /** The receivers' roots; empty if there is no receiver, or if a receiver does not know its sandboxes yet. */
  #roots(): readonly string[] {
    const roots = this.#sources().map((source) => source.roots());
    return roots.some((one) => one.length === 0) ? [] : roots.flat();
  }

  #sandboxIds(): ReadonlySet<string> {
    this.#isReading = true;
    const shown = this.#sources().flatMap((source) => source.sandboxes());
    this.#isReading = false;
    return new Set([...this.#options.sandboxIds(), ...shown.map(({ id }) => id)]);
  }
}
