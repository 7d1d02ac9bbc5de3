// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { CriError } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";
import { chooseRuntime, type RuntimeState, serves, unasked, withServed } from "./runtime_state.ts";

export interface RuntimesOptions {
  readonly endpoints: CriEndpoints;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Why the node's runtime does not answer. */
export interface RuntimeFault {
  /** The reason in words for the user. */
  readonly error: string;
  /** Whether only a restart of the agent helps: the socket that it has mounted was replaced on the node. */
  readonly needsRestart: boolean;
}

/** An answer, and the node's sandboxes when it came. */
export interface ListAnswer {
  /** The pods by id. */
  readonly list: ReadonlyMap<string, ListedPod>;
  readonly sandboxes: ReadonlySet<string>;
  /** Whether the list has Kata pods without a sandbox on the node. */
  readonly lacksSandboxes: boolean;
}

/**
 * Keeps the answers of the runtimes at all endpoints, and decides which of them is the node's. While the node's runtime
 * is down, it is not known which sandboxes are unlisted. Logs outages and changes of the node's runtime.
 */
export class Runtimes {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #states: Map<string, RuntimeState>;
  /** The endpoint of the node's runtime; undefined before the first answer. */
  #current: string | undefined;
  #outage: { readonly sinceMs: number; saysReplaced: boolean } | undefined;

  constructor({ endpoints, clock, logger }: RuntimesOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#states = new Map(endpoints.map((endpoint) => [endpoint, unasked(endpoint)]));
  }

  /**
   * Why it is not known now which sandboxes the node's runtime lists; undefined if all runtimes that are needed answer,
   * and before the first calls end.
   */
  get fault(): RuntimeFault | undefined {
    const needed = this.#needed();
    const errors = needed.flatMap(({ error }) => error ?? []);
    const isSearch = this.#current === undefined;
    if (errors.length === 0 || (isSearch && errors.length < needed.length)) return undefined;
    const all = errors.map(({ message }) => message).join("; ");
    return {
      error:
        isSearch && errors.length > 1 ? `cannot find a container runtime; name its endpoint: ${all}` : all,
      needsRestart: errors.every(({ failure }) => failure === "replaced"),
    };
  }

  /** Whether all runtimes that may list sandboxes of the node answer. */
  get isComplete(): boolean {
    return this.#current !== undefined && this.#needed().every(({ state }) => state === "answers");
  }

  /** To be called when a call to the endpoint begins, with the node's sandboxes at that time. */
  asked(endpoint: string, sandboxes: ReadonlySet<string>): void {
    this.#states.set(endpoint, { ...this.#stateOf(endpoint), asking: sandboxes });
  }

  /** To be called when a runtime has answered. */
  answered(from: RuntimeIdentity, { list, sandboxes, lacksSandboxes }: ListAnswer): void {
    const before = this.#stateOf(from.endpoint);
    this.#states.set(from.endpoint, {
      ...before,
      state: "answers",
      error: undefined,
      identity: from,
      list,
      asked: before.asking,
      lacksSandboxes,
    });
    for (const one of this.#states.values()) this.#states.set(one.endpoint, withServed(one, sandboxes));
    this.#changed();
  }

  /**
   * To be called when a call has failed. Returns whether the endpoint's answer is needed: some of the well-known
   * endpoints have no runtime.
   */
  failed(endpoint: string, error: CriError): boolean {
    this.#states.set(endpoint, { ...this.#stateOf(endpoint), state: "fails", error });
    this.#changed();
    return this.#needed().some((one) => one.endpoint === endpoint);
  }

  /** Finds the pod with this id in the last lists. */
  find(id: string): ListedPod | undefined {
    for (const { list } of this.#states.values()) {
      const pod = list.get(id);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  /**
   * Whether a runtime lists the sandbox. "unknown": a runtime that may list it does not answer, or was
   * not asked yet. "unasked": all runtimes answer, but the sandbox may be newer than the last call.
   */
  lists(id: string): "listed" | "unlisted" | "unasked" | "unknown" {
    const states = [...this.#states.values()];
    const answering = states.filter(({ state }) => state === "answers");
    if (answering.some(({ list }) => list.has(id))) return "listed";
    if (!this.isComplete || states.some(({ state }) => state === "unasked")) return "unknown";
    return answering.every(({ asked }) => asked.has(id)) ? "unlisted" : "unasked";
  }

  /**
   * The runtimes whose answers are needed: all of them until one has answered, then the node's runtime and those that
   * list its sandboxes.
   */
  #needed(): readonly RuntimeState[] {
    const all = [...this.#states.values()];
    if (this.#current === undefined) return all;
    return all.filter((one) => one.endpoint === this.#current || serves(one));
  }

  #changed(): void {
    const before = this.#current;
    this.#current = chooseRuntime([...this.#states.values()], before);
    const { fault } = this;
    if (fault !== undefined) this.#logOutage(fault);
    if (this.#current !== before) this.#logChange(before);
    else if (fault === undefined && this.#outage !== undefined) this.#log("Container runtime answers again.");
    if (fault === undefined) this.#outage = undefined;
  }

  #logChange(before: string | undefined): void {
    if (before === undefined) this.#log("Container runtime answers.");
    else this.#log("Another container runtime is taken for the node's.", { before });
  }

  /** Logs the node's runtime, and how long it did not answer. */
  #log(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const identity = this.#current === undefined ? undefined : this.#stateOf(this.#current).identity;
    const { endpoint, name: runtime, version } = identity ?? {};
    const outMs = this.#outage && this.#clock.monotonicMs() - this.#outage.sinceMs;
    const lasted = outMs === undefined ? {} : { seconds: Math.round(outMs / 1_000) };
    this.#logger.info({ endpoint, runtime, version, ...fields, ...lasted }, message);
  }

  #logOutage({ error, needsRestart }: RuntimeFault): void {
    if (this.#outage === undefined) {
      this.#outage = { sinceMs: this.#clock.monotonicMs(), saysReplaced: needsRestart };
      this.#logger.warn(
        { error },
        "Container runtime does not answer; until it does, new sandboxes have no pod names and nothing is compared with its list.",
      );
    } else if (needsRestart && !this.#outage.saysReplaced) {
      this.#outage.saysReplaced = true;
      this.#logger.error(
        { error },
        "Container runtime's socket was replaced; only a restart of the agent finds it.",
      );
    }
  }

  #stateOf(endpoint: string): RuntimeState {
    const state = this.#states.get(endpoint);
    if (state === undefined) throw new Error(`BUG: endpoint "${endpoint}" is not one of the configured`);
    return state;
  }
}
