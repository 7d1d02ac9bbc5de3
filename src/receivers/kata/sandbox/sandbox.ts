// SPDX-License-Identifier: Apache-2.0
import type { ShimKind } from "../../../kata/known_families.ts";
import type { SandboxStatus } from "../../../kata/sandboxes.ts";
import type { Witnesses } from "../../../kata/witnesses.ts";
import type { Resource } from "../../../metrics/model.ts";
import type { Limit } from "../../../prometheus/parse/limit.ts";
import type { PageSource } from "../../../prometheus/parse/page_source.ts";
import type { FoundSandbox } from "../discovery/found_sandbox.ts";
import type { Runtime } from "../discovery/root.ts";
import type { ReadinessCheck } from "../proof/readiness.ts";
import type { Answers } from "./answers.ts";
import type { BootTimes } from "./boot_times.ts";
import { type Condition, newCondition } from "./condition.ts";
import type { Instant } from "./instant.ts";
import { phaseOf } from "./schedule.ts";

/** Everything that the agent keeps of a sandbox while its directory exists. */
export class Sandbox {
  readonly found: FoundSandbox;
  /** Replaced when the shim turns out to be of another runtime than the sandbox's root. */
  resource: Resource;
  readonly source: PageSource;
  readonly answers: Answers;
  /**
   * The index of the sandbox's root in the config. Of two sandboxes with one id that are both up, or both not, the one
   * with the lower rank is shown.
   */
  readonly rank: number;
  /** The point of the interval at which the sandbox is scraped, from 0 to less than 1. */
  readonly phase: number;
  readonly foundAt: Instant;
  readonly readiness: ReadinessCheck;
  condition: Condition;
  /** The kind of shim that the sandbox's files proved when they were last looked at; undefined until they prove one. */
  shim: ShimKind | undefined;
  readonly #ending = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    found: FoundSandbox,
    own: {
      readonly resource: Resource;
      readonly source: PageSource;
      readonly answers: Answers;
      readonly rank: number;
      readonly now: Instant;
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
    this.condition = newCondition(own.now);
    this.phase = phaseOf(found.id);
  }

  /** Aborts when the sandbox ends: the result of a scrape under way is then of no use. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Runs the job after the jobs before it, whether these succeed or not: a shim gets one request at a time. */
  inTurn<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#last.then(job);
    this.#last = done.catch(() => {});
    return done;
  }

  end(): void {
    this.#ending.abort();
  }
}

/** Returns the resource that the sandbox's readings belong to. */
export function resourceOf(key: string, id: string, runtime: Runtime): Resource {
  return {
    key,
    attributes: [
      { key: "kata.sandbox.id", value: id },
      { key: "kata.runtime", value: runtime },
    ],
  };
}

/** Returns the runtime of the sandbox's shim; the runtime of its root until the shim is known. */
export function runtimeOf({ shim, found }: Pick<Sandbox, "shim" | "found">): Runtime {
  if (shim === undefined) return found.runtime;
  return shim === "go" ? "go" : "rs";
}

/** Returns the sandbox as the agent shows it to others. */
export function statusOf(sandbox: Sandbox, witnesses: Witnesses): SandboxStatus {
  const { found, condition, answers } = sandbox;
  const { state, code, reason, since, nextScrape } = condition;
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
    limits: [...answers.limits].sort(),
  };
}

/** The codes that say that, as far as is known, nobody listens on the socket. */
const WITHOUT_SHIM: ReadonlySet<string> = new Set([
  "new",
  "no_socket",
  "not_a_socket",
  "unreadable",
  "missing",
  "refused",
]);

/** The facts that a reading shows in addition to the sandbox's condition. */
export interface SandboxFacts {
  /** When the shim last answered, in Unix milliseconds; undefined before its first answer. */
  readonly lastAnswerMs: number | undefined;
  /** Whether the container runtime lists the sandbox; undefined if no runtime answers. */
  readonly isListed: boolean | undefined;
  /** The times that the sandbox took to start; undefined before its first answer. */
  readonly boot: BootTimes | undefined;
  /** The limits that the sandbox's last page exceeded, so that a part of it was left out. */
  readonly limits: ReadonlySet<Limit>;
}

export function factsOf({ found, answers }: Sandbox, witnesses: Witnesses): SandboxFacts {
  const { lastMs: lastAnswerMs, boot, limits } = answers;
  return { lastAnswerMs, isListed: witnesses.isListed(found.id), boot, limits };
}

/**
 * Returns whether, of two sandboxes with one id under different roots, the first is the one to show: the one that is
 * up, or else the one whose root comes first in the config.
 */
export function outranks(one: Sandbox, other: Sandbox): boolean {
  const up = one.condition.state === "up";
  return up === (other.condition.state === "up") ? one.rank < other.rank : up;
}
