// SPDX-License-Identifier: Apache-2.0
import type { ShimKind } from "../../kata/known_families.ts";
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import type { Witnesses } from "../../kata/witnesses.ts";
import type { Resource } from "../../metrics/model.ts";
import type { Limit } from "../../prometheus/parse/limit.ts";
import type { PageSource } from "../../prometheus/parse/page_source.ts";
import type { Answers } from "./answers.ts";
import type { FoundSandbox, Runtime } from "./discovery.ts";
import type { Moment } from "./moment.ts";
import { NO_LIMITS, type SandboxFacts } from "./own_families.ts";
import type { ReadinessCheck } from "./readiness.ts";
import { phaseOf } from "./schedule.ts";
import { isStarting, newStanding, type Standing } from "./standing.ts";

/** What the agent keeps of a sandbox from its directory's coming to its going. */
export class Sandbox {
  readonly found: FoundSandbox;
  /** Another one when its shim turns out to be another runtime's. */
  resource: Resource;
  readonly source: PageSource;
  readonly answers: Answers;
  /** The place of its root in the config. */
  readonly rank: number;
  /** When in the interval it is scraped, from 0 to 1. */
  readonly phase: number;
  readonly foundAt: Moment;
  readonly readiness: ReadinessCheck;
  standing: Standing;
  /** What its shim was when it was last looked at; undefined before it may be asked. */
  shim: ShimKind | undefined;
  /** The limits for which something of its last page was left out. */
  limits: ReadonlySet<Limit> = NO_LIMITS;
  readonly #ending = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    found: FoundSandbox,
    own: {
      readonly resource: Resource;
      readonly source: PageSource;
      readonly answers: Answers;
      readonly rank: number;
      readonly now: Moment;
      readonly readiness: ReadinessCheck;
    },
  ) {
    this.found = found;
    this.resource = own.resource;
    this.source = own.source;
    this.answers = own.answers;
    this.rank = own.rank;
    this.foundAt = own.now;
    this.readiness = own.readiness;
    this.standing = newStanding(own.now);
    this.phase = phaseOf(found.id);
  }

  /** Aborts when the sandbox ends: a scrape under way is then of no use. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Runs the job when those before it are done: a shim is asked one thing at a time. */
  inTurn<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#last.then(job);
    this.#last = done.catch(() => {});
    return done;
  }

  end(): void {
    this.#ending.abort();
  }
}

/** How the log names a sandbox. */
export interface SandboxName {
  readonly sandbox: string;
  /** "namespace/name"; left out until a container runtime has named it. */
  readonly pod?: string;
}

export function sandboxNameOf({ found: { id } }: Sandbox, witnesses: Witnesses): SandboxName {
  const pod = witnesses.podOf(id);
  return pod === undefined ? { sandbox: id } : { sandbox: id, pod: `${pod.namespace}/${pod.name}` };
}

/** How an error names it. */
export function describeSandbox(sandbox: Sandbox, witnesses: Witnesses): string {
  const { sandbox: id, pod } = sandboxNameOf(sandbox, witnesses);
  return pod === undefined ? `sandbox "${id}"` : `sandbox "${id}" of pod "${pod}"`;
}

/** What the sandbox's readings are of. */
export function resourceOf(key: string, id: string, runtime: Runtime): Resource {
  return {
    key,
    attributes: [
      { key: "kata.sandbox.id", value: id },
      { key: "kata.runtime", value: runtime },
    ],
  };
}

/** The runtime that its shim was found to be of; before, that of its root. */
export function runtimeOf({ shim, found }: Pick<Sandbox, "shim" | "found">): Runtime {
  if (shim === undefined) return found.runtime;
  return shim === "go" ? "go" : "rs";
}

/** The sandbox as the agent shows it to others. */
export function statusOf(sandbox: Sandbox, witnesses: Witnesses): SandboxStatus {
  const { found, standing, answers } = sandbox;
  const { state, code, reason, since, nextScrape } = standing;
  const { id, directory } = found;
  return {
    id,
    directory,
    runtime: runtimeOf(sandbox),
    pod: witnesses.podOf(id),
    isListed: witnesses.isListed(id),
    state,
    code,
    reason,
    sinceMs: since.unixMs,
    hasShim: !WITHOUT_SHIM.has(code),
    lastAnswerMs: answers.lastMs,
    nextScrapeMs: nextScrape?.unixMs,
    limits: [...sandbox.limits].sort(),
  };
}

/** What a reading of the sandbox tells beside its standing. */
export function factsOf({ found, answers, limits }: Sandbox, witnesses: Witnesses): SandboxFacts {
  return { lastAnswerMs: answers.lastMs, isListed: witnesses.isListed(found.id), boot: answers.boot, limits };
}

/** Codes that say that nobody is behind the socket, as far as is known. */
const WITHOUT_SHIM: ReadonlySet<string> = new Set([
  "new",
  "no_socket",
  "not_a_socket",
  "unreadable",
  "missing",
  "refused",
]);

/** Of two sandboxes with one id, which lie under different roots, the one to show: one that is up, else the first root's. */
export function outranks(one: Sandbox, other: Sandbox): boolean {
  const up = one.standing.state === "up";
  return up === (other.standing.state === "up") ? one.rank < other.rank : up;
}

/** A pod's start takes less; a directory without a pod may wait for a socket for ever. */
const WAIT_MS_MAX = 60_000;

/** How long a sandbox that has not answered yet may have a code that means a fault later. */
const START_MS_MAX: Readonly<Record<string, number>> = {
  // A shim that starts refuses connections for a moment.
  refused: 10_000,
  // What proves the runtime may still be written.
  unproved: WAIT_MS_MAX,
};

/** Whether the sandbox may just be starting: nobody needs to do anything about it yet. */
export function maybeStarts({ standing, answers, foundAt }: Sandbox, nowMs: number): boolean {
  if (isStarting(standing)) return true;
  const maxMs = answers.lastMs === undefined ? (START_MS_MAX[standing.code] ?? 0) : 0;
  return nowMs - foundAt.monotonicMs < maxMs;
}

/** Whether the sandbox has waited for longer than a pod's start takes, and the runtime says that it runs. */
export function waitsInVain({ found, standing }: Sandbox, nowMs: number, witnesses: Witnesses): boolean {
  const { state, since } = standing;
  return (
    state === "pending" && nowMs - since.monotonicMs > WAIT_MS_MAX && witnesses.isListed(found.id) === true
  );
}
