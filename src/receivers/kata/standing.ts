// SPDX-License-Identifier: Apache-2.0
import type { Moment } from "./moment.ts";
import type { SandboxState } from "./own_families.ts";
import { pauseMs } from "./schedule.ts";
import { isCutOff, type ScrapeFault } from "./scrape.ts";
import type { NotReady, NotReadyCode } from "./verdict.ts";

/** What is wrong with the answers of a sandbox that is up. */
export interface Complaint {
  readonly code: "slow" | "partial";
  readonly reason: string;
}

/** Where a sandbox stands, and what its next visit depends on. */
export interface Standing {
  readonly state: SandboxState;
  /** Why it is in this state, as a word and in words; empty where it is up and nothing is wrong. */
  readonly code: NotReadyCode | ScrapeFault | Complaint["code"] | "new" | "";
  readonly reason: string;
  /** The time of the last change of state or code; the same object until the next one. */
  readonly since: Moment;
  /** Scrapes in a row that were broken off. */
  readonly breakOffs: number;
  /** Refused connections in a row. */
  readonly refusals: number;
  /** Until then it is not asked, since scrapes were broken off. */
  readonly nextScrape: Moment | undefined;
}

/** Codes of the steps of a pod's start. */
const STARTING: ReadonlySet<string> = new Set(["new", "no_socket", "no_state", "missing"]);

/** Whether the sandbox may just be starting; one that is pending for another reason needs somebody to do something. */
export function isStarting({ state, code }: Standing): boolean {
  return state === "pending" && STARTING.has(code);
}

/** The result of a visit: the sandbox was not asked, or it was. */
export type Finding =
  | { readonly kind: "not_ready"; readonly why: NotReady }
  | { readonly kind: "failed"; readonly fault: ScrapeFault; readonly text: string }
  | { readonly kind: "answered"; readonly complaint: Complaint | undefined };

/** The finding of a sandbox that answers as it should. */
export const WELL: Finding = { kind: "answered", complaint: undefined };

/** The standing of a sandbox that was found now. */
export function newStanding(since: Moment): Standing {
  return {
    state: "pending",
    code: "new",
    reason: "not looked at yet",
    since,
    breakOffs: 0,
    refusals: 0,
    nextScrape: undefined,
  };
}

/** The standing after a visit. */
export function standingAfter(
  before: Standing,
  finding: Finding,
  at: { readonly now: Moment; readonly intervalMs: number },
): Standing {
  // The usual case costs nothing.
  if (finding === WELL && before.state === "up" && before.code === "") return before;
  const next = judge(before, finding, at);
  const { since } = before;
  return next.state === before.state && next.code === before.code ? { ...next, since } : next;
}

function judge(
  { breakOffs, refusals }: Standing,
  finding: Finding,
  { now: since, intervalMs }: { readonly now: Moment; readonly intervalMs: number },
): Standing {
  const calm = { since, breakOffs: 0, refusals: 0, nextScrape: undefined };
  switch (finding.kind) {
    case "answered":
      return { state: "up", code: "", reason: "", ...finding.complaint, ...calm };
    case "not_ready":
      // A visit that did not ask says nothing about scrapes that were broken off.
      return { ...finding.why, ...calm, breakOffs };
    case "failed": {
      const { fault: code, text: reason } = finding;
      // A socket that nobody listens on is left over; one that went between look and call is not there yet.
      if (code === "refused") return { state: "stale", code, reason, ...calm, refusals: refusals + 1 };
      if (code === "missing") return { state: "pending", code, reason, ...calm, breakOffs };
      const failing = { state: "failing", code, reason, ...calm } as const;
      if (!isCutOff(code)) return failing;
      const ms = pauseMs(breakOffs + 1, intervalMs);
      return { ...failing, breakOffs: breakOffs + 1, nextScrape: after(since, ms) };
    }
  }
}

function after({ unixMs, monotonicMs }: Moment, ms: number): Moment {
  return { unixMs: unixMs + ms, monotonicMs: monotonicMs + ms };
}
