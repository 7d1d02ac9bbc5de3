import type { Resource } from "../../metrics/model.ts";
import type { PageSource } from "../../prometheus/parse.ts";
import type { FoundSandbox } from "./discovery.ts";
import type { SandboxState } from "./own_families.ts";
import { phaseOf } from "./schedule.ts";
import type { ScrapeFault } from "./scrape.ts";

/** Where a sandbox stands, and what its next visit depends on. */
export interface Standing {
  readonly state: SandboxState;
  /** Why it is not up; empty where it is. */
  readonly reason: string;
  /** Time-outs in a row. */
  readonly timeouts: number;
  /** Refused connections in a row. */
  readonly refusals: number;
}

/** What a visit found: the sandbox was not asked, or it was. */
export type Finding =
  | { readonly kind: "not_ready"; readonly state: "pending" | "unsafe"; readonly reason: string }
  | { readonly kind: "failed"; readonly fault: ScrapeFault; readonly text: string }
  | { readonly kind: "answered" };

export const NEW: Standing = { state: "pending", reason: "not looked at yet", timeouts: 0, refusals: 0 };

/** The standing after a visit. A visit that did not ask says nothing about time-outs: their pause goes on. */
export function standingAfter({ timeouts, refusals }: Standing, finding: Finding): Standing {
  switch (finding.kind) {
    case "answered":
      return { state: "up", reason: "", timeouts: 0, refusals: 0 };
    case "not_ready":
      return { state: finding.state, reason: finding.reason, timeouts, refusals: 0 };
    case "failed": {
      const { fault, text: reason } = finding;
      // A socket that nobody listens on is left over; one that went between look and call is not there yet.
      if (fault === "refused") return { state: "stale", reason, timeouts: 0, refusals: refusals + 1 };
      if (fault === "missing") return { state: "pending", reason, timeouts, refusals: 0 };
      return { state: "failing", reason, timeouts: fault === "timeout" ? timeouts + 1 : 0, refusals: 0 };
    }
  }
}

/** What the agent keeps of a sandbox from its directory's coming to its going. */
export class Sandbox {
  readonly found: FoundSandbox;
  readonly resource: Resource;
  readonly source: PageSource;
  /** The place of its root in the config. */
  readonly rank: number;
  /** When in the interval it is scraped, from 0 to 1. */
  readonly phase: number;
  readonly foundAtMs: number;
  standing: Standing = NEW;
  /** It has answered at some time. */
  answered = false;
  /** Another sandbox of the same id is shown in its place, and the log has said so. */
  shadowed = false;
  cancelTimer: () => void = () => {};
  readonly #ending = new AbortController();

  constructor(
    found: FoundSandbox,
    own: { resource: Resource; source: PageSource; rank: number; nowMs: number },
  ) {
    this.found = found;
    this.resource = own.resource;
    this.source = own.source;
    this.rank = own.rank;
    this.foundAtMs = own.nowMs;
    this.phase = phaseOf(found.id);
  }

  /** Aborts when the sandbox ends: a scrape under way is then of no use. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  end(): void {
    this.cancelTimer();
    this.#ending.abort();
  }
}

/** Of two sandboxes with one id, which lie under different roots, the one to show: one that is up, else the first root's. */
export function outranks(one: Sandbox, other: Sandbox): boolean {
  const up = one.standing.state === "up";
  return up === (other.standing.state === "up") ? one.rank < other.rank : up;
}
