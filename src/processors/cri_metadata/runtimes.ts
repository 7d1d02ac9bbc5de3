// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { CriError } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";
import { chooseRuntime, type RuntimeStanding, serves, unasked, withServed } from "./standing.ts";

export interface RuntimesOptions {
  readonly endpoints: CriEndpoints;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Why the runtime does not answer, in words for the user. */
export interface RuntimeFault {
  readonly error: string;
  /** Nothing but a restart mends it: what the agent has mounted is a socket that has been replaced on the node. */
  readonly needsRestart: boolean;
}

/** An answer, and what the node had when it came. */
export interface ListAnswer {
  /** The pods by id. */
  readonly list: ReadonlyMap<string, ListedPod>;
  readonly sandboxes: ReadonlySet<string>;
  /** Whether the list has Kata pods of which the node has no sandbox. */
  readonly lacksSandboxes: boolean;
}

/**
 * What the runtimes at all endpoints have answered, and which of them is the node's. While that one is down nobody can
 * say what is not listed. Tells the log about outages and changes.
 */
export class Runtimes {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #standings: Map<string, RuntimeStanding>;
  /** The endpoint of the node's runtime. */
  #current: string | undefined;
  #outage: { readonly sinceMs: number; saysReplaced: boolean } | undefined;

  constructor({ endpoints, clock, logger }: RuntimesOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#standings = new Map(endpoints.map((endpoint) => [endpoint, unasked(endpoint)]));
  }

  /** Why nobody can say now what the node's runtime lists; undefined where it answers, and before the first calls end. */
  get fault(): RuntimeFault | undefined {
    const awaited = this.#awaited();
    const errors = awaited.flatMap(({ error }) => error ?? []);
    const isSearch = this.#current === undefined;
    if (errors.length === 0 || (isSearch && errors.length < awaited.length)) return undefined;
    const all = errors.map(({ message }) => message).join("; ");
    return {
      error:
        isSearch && errors.length > 1 ? `cannot find a container runtime; name its endpoint: ${all}` : all,
      needsRestart: errors.every(({ failure }) => failure === "replaced"),
    };
  }

  /** Whether every runtime answers that may list sandboxes of the node. */
  get isComplete(): boolean {
    return this.#current !== undefined && this.#awaited().every(({ state }) => state === "answers");
  }

  /** A call has begun, with these sandboxes on the node. */
  asked(endpoint: string, sandboxes: ReadonlySet<string>): void {
    this.#standings.set(endpoint, { ...this.#standing(endpoint), asking: sandboxes });
  }

  /** The call's answer has come. */
  answered(from: RuntimeIdentity, { list, sandboxes, lacksSandboxes }: ListAnswer): void {
    const standing = this.#standing(from.endpoint);
    this.#standings.set(from.endpoint, {
      ...standing,
      state: "answers",
      error: undefined,
      identity: from,
      list,
      asked: standing.asking,
      lacksSandboxes,
    });
    for (const one of this.#standings.values()) this.#standings.set(one.endpoint, withServed(one, sandboxes));
    this.#changed();
  }

  /** The call has failed. Returns whether the endpoint is waited for: others need not have a runtime. */
  failed(endpoint: string, error: CriError): boolean {
    this.#standings.set(endpoint, { ...this.#standing(endpoint), state: "fails", error });
    this.#changed();
    return this.#awaited().some((one) => one.endpoint === endpoint);
  }

  /** The pod with this id in the last lists. */
  find(id: string): ListedPod | undefined {
    for (const { list } of this.#standings.values()) {
      const pod = list.get(id);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  /**
   * Whether a runtime that answers lists the sandbox. "unasked" where the sandbox may have come after a list was asked
   * for, "unknown" where a runtime that may list it does not answer.
   */
  lists(id: string): "listed" | "unlisted" | "unasked" | "unknown" {
    const standings = [...this.#standings.values()];
    const answering = standings.filter(({ state }) => state === "answers");
    if (answering.some(({ list }) => list.has(id))) return "listed";
    if (!this.isComplete || standings.some(({ state }) => state === "unasked")) return "unknown";
    return answering.every(({ asked }) => asked.has(id)) ? "unlisted" : "unasked";
  }

  /** Those without which nothing can be said: all of them until one has answered. */
  #awaited(): readonly RuntimeStanding[] {
    const all = [...this.#standings.values()];
    if (this.#current === undefined) return all;
    return all.filter((one) => one.endpoint === this.#current || serves(one));
  }

  #changed(): void {
    const before = this.#current;
    this.#current = chooseRuntime([...this.#standings.values()], before);
    const { fault } = this;
    if (fault !== undefined) this.#tellOutage(fault);
    if (this.#current !== before) this.#tellChange(before);
    else if (fault === undefined && this.#outage !== undefined)
      this.#tell("Container runtime answers again.");
    if (fault === undefined) this.#outage = undefined;
  }

  #tellChange(before: string | undefined): void {
    if (before === undefined) this.#tell("Container runtime answers.");
    else this.#tell("Another container runtime is taken for the node's.", { before });
  }

  /** Tells about the node's runtime, with how long it was out. */
  #tell(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const identity = this.#current === undefined ? undefined : this.#standing(this.#current).identity;
    const { endpoint, name: runtime, version } = identity ?? {};
    const outMs = this.#outage && this.#clock.monotonicMs() - this.#outage.sinceMs;
    const lasted = outMs === undefined ? {} : { seconds: Math.round(outMs / 1_000) };
    this.#logger.info({ endpoint, runtime, version, ...fields, ...lasted }, message);
  }

  #tellOutage({ error, needsRestart }: RuntimeFault): void {
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

  #standing(endpoint: string): RuntimeStanding {
    const standing = this.#standings.get(endpoint);
    if (standing === undefined) throw new Error(`BUG: endpoint "${endpoint}" is not one of the configured`);
    return standing;
  }
}
