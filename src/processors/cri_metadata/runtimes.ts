import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { CriError } from "../../cri/client.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";

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

/** What is known of one endpoint. */
interface Standing {
  readonly endpoint: string;
  state: "unasked" | "answers" | "fails";
  /** Of the last failure, while it fails. */
  error: CriError | undefined;
  identity: RuntimeIdentity | undefined;
  /** By id, as of the last answer. */
  list: ReadonlyMap<string, ListedPod>;
  /** The node's sandboxes when the call under way began, and when that of the last answer did. */
  asking: ReadonlySet<string>;
  asked: ReadonlySet<string>;
  /** Those of the node's sandboxes of today that it has listed at some time. */
  named: ReadonlySet<string>;
  /** Whether its last answer had Kata pods of which the node has no sandbox. */
  lacksSandboxes: boolean;
  /** Whether it has ever listed a sandbox of the node or such a pod. */
  hasServed: boolean;
}

/** An answer, and what the node had when it came. */
export interface Answer {
  /** By id. */
  readonly list: ReadonlyMap<string, ListedPod>;
  readonly sandboxes: ReadonlySet<string>;
  /** Whether the list has Kata pods of which the node has no sandbox. */
  readonly lacksSandboxes: boolean;
}

/**
 * What the runtimes at the endpoints have answered. One of them is the node's: the first that answers, until another
 * one has Kata's pods and this one never had. A runtime that had them stays the node's while it is down: what the others
 * do not list then says nothing.
 */
export class Runtimes {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #standings: ReadonlyMap<string, Standing>;
  #current: Standing | undefined;
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
    const isOpen = this.#current === undefined;
    if (errors.length === 0 || (isOpen && errors.length < awaited.length)) return undefined;
    const all = errors.map(({ message }) => message).join("; ");
    const isSearch = isOpen && errors.length > 1;
    return {
      error: isSearch ? `cannot find a container runtime; name its endpoint: ${all}` : all,
      needsRestart: errors.every(({ failure }) => failure === "replaced"),
    };
  }

  /** Whether every runtime answers that may list sandboxes of the node. */
  get isComplete(): boolean {
    return this.#current !== undefined && this.#awaited().every(({ state }) => state === "answers");
  }

  /** A call has begun, with these sandboxes on the node. */
  asked(endpoint: string, sandboxes: ReadonlySet<string>): void {
    this.#standing(endpoint).asking = sandboxes;
  }

  /** The call's answer has come. */
  answered(from: RuntimeIdentity, { list, sandboxes, lacksSandboxes }: Answer): void {
    const standing = this.#standing(from.endpoint);
    const asked = standing.asking;
    Object.assign(standing, {
      state: "answers",
      error: undefined,
      identity: from,
      list,
      asked,
      lacksSandboxes,
    });
    for (const one of this.#standings.values()) {
      const lists = (id: string): boolean => one.named.has(id) || (one === standing && list.has(id));
      one.named = new Set([...sandboxes].filter(lists));
      one.hasServed ||= serves(one);
    }
    this.#changed();
  }

  /** The call has failed. Returns whether the endpoint is waited for: others need not have a runtime. */
  failed(endpoint: string, error: CriError): boolean {
    const standing = this.#standing(endpoint);
    Object.assign(standing, { state: "fails", error });
    this.#changed();
    return this.#awaited().includes(standing);
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
  #awaited(): readonly Standing[] {
    const all = [...this.#standings.values()];
    return this.#current === undefined ? all : all.filter((one) => one === this.#current || serves(one));
  }

  #changed(): void {
    const before = this.#current;
    this.#current = this.#choose();
    const { fault } = this;
    if (fault !== undefined) this.#tellOutage(fault);
    if (this.#current !== before) this.#tellChange(before);
    else if (fault === undefined && this.#outage !== undefined)
      this.#tell("Container runtime answers again.");
    if (fault === undefined) this.#outage = undefined;
  }

  #choose(): Standing | undefined {
    const before = this.#current;
    const answering = [...this.#standings.values()].filter(({ state }) => state === "answers");
    const serving = answering.find(serves);
    const next = serving ?? answering[0];
    if (before === undefined) return next;
    const answers = before.state === "answers";
    // One that is down and has none of the node's pods any more makes way only for one that has some.
    if (before.hasServed && (answers || serves(before) || serving === undefined)) return before;
    return answers ? (serving ?? before) : (next ?? before);
  }

  #tellChange(before: Standing | undefined): void {
    if (before === undefined) this.#tell("Container runtime answers.");
    else this.#tell("Another container runtime is taken for the node's.", { before: before.endpoint });
  }

  /** About the node's runtime, with how long it was out. */
  #tell(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { endpoint, name: runtime, version } = this.#current?.identity ?? {};
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

  #standing(endpoint: string): Standing {
    const standing = this.#standings.get(endpoint);
    if (standing === undefined) throw new Error(`BUG: endpoint "${endpoint}" is not one of the configured`);
    return standing;
  }
}

/** Whether what it lists matters to the node now. */
function serves({ named, lacksSandboxes }: Standing): boolean {
  return named.size > 0 || lacksSandboxes;
}

function unasked(endpoint: string): Standing {
  return {
    endpoint,
    state: "unasked",
    error: undefined,
    identity: undefined,
    list: new Map(),
    asking: new Set(),
    asked: new Set(),
    named: new Set(),
    lacksSandboxes: false,
    hasServed: false,
  };
}
