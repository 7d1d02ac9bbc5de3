import type { SandboxStatus, Witnesses } from "../../component/sandboxes.ts";
import type { Resource } from "../../metrics/model.ts";
import type { PageSource } from "../../prometheus/parse.ts";
import type { FoundSandbox, Runtime } from "./discovery.ts";
import type { ShimKind } from "./families.ts";
import type { SandboxState } from "./own_families.ts";
import type { ReadinessCheck } from "./readiness.ts";
import { phaseOf } from "./schedule.ts";
import type { Asked, ScrapeFault } from "./scrape.ts";
import type { NotReady, NotReadyCode } from "./verdict.ts";

/** Where a sandbox stands, and what its next visit depends on. */
export interface Standing {
  readonly state: SandboxState;
  /** Why it is not up, as a word and in words; empty where it is. */
  readonly code: NotReadyCode | ScrapeFault | "new" | "";
  readonly reason: string;
  /** Scrapes in a row that were broken off. */
  readonly breakOffs: number;
  /** Refused connections in a row. */
  readonly refusals: number;
}

/** What a visit found: the sandbox was not asked, or it was. */
export type Finding =
  | { readonly kind: "not_ready"; readonly why: NotReady }
  | { readonly kind: "failed"; readonly fault: ScrapeFault; readonly text: string }
  | { readonly kind: "answered" };

export const NEW: Standing = {
  state: "pending",
  code: "new",
  reason: "not looked at yet",
  breakOffs: 0,
  refusals: 0,
};

/** Faults at which we hang up on a shim that is still at work. It may take that ill, and takes it worse each time. */
const BROKEN_OFF: ReadonlySet<ScrapeFault> = new Set(["timeout", "too_big", "malformed"]);

/** The standing after a visit. A visit that did not ask says nothing about broken-off scrapes: their pause goes on. */
export function standingAfter({ breakOffs, refusals }: Standing, finding: Finding): Standing {
  switch (finding.kind) {
    case "answered":
      return { state: "up", code: "", reason: "", breakOffs: 0, refusals: 0 };
    case "not_ready":
      return { ...finding.why, breakOffs, refusals: 0 };
    case "failed": {
      const { fault: code, text: reason } = finding;
      // A socket that nobody listens on is left over; one that went between look and call is not there yet.
      if (code === "refused") return { state: "stale", code, reason, breakOffs: 0, refusals: refusals + 1 };
      if (code === "missing") return { state: "pending", code, reason, breakOffs, refusals: 0 };
      return {
        state: "failing",
        code,
        reason,
        breakOffs: BROKEN_OFF.has(code) ? breakOffs + 1 : 0,
        refusals: 0,
      };
    }
  }
}

/** What the agent keeps of a sandbox from its directory's coming to its going. */
export class Sandbox {
  readonly found: FoundSandbox;
  /** Another one when its shim turns out to be another runtime's. */
  resource: Resource;
  readonly source: PageSource;
  /** The place of its root in the config. */
  readonly rank: number;
  /** When in the interval it is scraped, from 0 to 1. */
  readonly phase: number;
  readonly foundAtMs: number;
  readonly readiness: ReadinessCheck;
  standing: Standing = NEW;
  /** What its shim was when it was last looked at; undefined before it may be asked. */
  shim: ShimKind | undefined;
  /** When it answered last, in Unix milliseconds. */
  lastAnswerMs: number | undefined;
  /** Whether what is shown of it is not so any more, and there was no room to say it. */
  isOutdated = false;
  /** Another sandbox of the same id is shown in its place, and the log has said so. */
  shadowed = false;
  cancelTimer: () => void = () => {};
  /** What was asked of its shim by name within the last second. */
  readonly asked: Map<Asked, Promise<Buffer>> = new Map();
  readonly #ending = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    found: FoundSandbox,
    own: {
      resource: Resource;
      source: PageSource;
      rank: number;
      nowMs: number;
      readiness: ReadinessCheck;
    },
  ) {
    this.found = found;
    this.resource = own.resource;
    this.source = own.source;
    this.rank = own.rank;
    this.foundAtMs = own.nowMs;
    this.readiness = own.readiness;
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
    this.cancelTimer();
    this.#ending.abort();
  }
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
  if (shim === undefined) return found.root.runtime;
  return shim === "go" ? "go" : "rs";
}

/** The sandbox as the agent shows it to others. */
export function statusOf(sandbox: Sandbox, witnesses: Witnesses): SandboxStatus {
  const { found, standing, lastAnswerMs } = sandbox;
  const { state, code, reason } = standing;
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
    hasShim: !WITHOUT_SHIM.has(code),
    lastAnswerMs,
    sinceMs: 0,
    nextScrapeMs: undefined,
  };
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
