// SPDX-License-Identifier: Apache-2.0

import type { NotReady, NotReadyCode } from "../proof/verdict.ts";
import { isCutOff, type ScrapeFault } from "../scraping/scrape.ts";
import type { Instant } from "./instant.ts";
import type { SandboxState } from "./sandbox_state.ts";

/** A fault in the answers of a sandbox that is up. */
export interface Complaint {
  readonly code: "slow" | "partial";
  readonly reason: string;
}

/** The state of a sandbox with its reason, and what its next visit depends on. */
export interface Condition {
  readonly state: SandboxState;
  /** The reason for the state, as a word for machines; empty if the sandbox is up and nothing is wrong. */
  readonly code: NotReadyCode | ScrapeFault | Complaint["code"] | "new" | "";
  /** The reason for the state as a text for people. */
  readonly reason: string;
  /** When the state or the code last changed. The object is replaced only when one of the two changes. */
  readonly since: Instant;
  /** The number of scrapes in a row that this agent broke off. */
  readonly breakOffs: number;
  /** The number of refused connections in a row. */
  readonly refusals: number;
  /**
   * The time until which the sandbox is not asked, because this agent broke off scrapes; undefined if its scrapes are
   * not put off.
   */
  readonly nextScrape: Instant | undefined;
}

/** The codes of the steps of a pod's start. */
const STARTING: ReadonlySet<string> = new Set(["new", "no_socket", "no_state", "missing"]);

/** Returns whether the sandbox may just be starting. A sandbox that is pending for another reason needs an operator. */
export function isStarting({ state, code }: Condition): boolean {
  return state === "pending" && STARTING.has(code);
}

/** The result of a visit: the sandbox was not asked, it was asked and gave no page, or it answered. */
export type Finding =
  | { readonly kind: "not_ready"; readonly why: NotReady }
  | { readonly kind: "failed"; readonly fault: ScrapeFault; readonly text: string }
  | { readonly kind: "answered"; readonly complaint: Complaint | undefined };

/** The finding of a sandbox that answers as it should. */
export const WELL: Finding = { kind: "answered", complaint: undefined };

/** Returns the condition of a sandbox that is found now. */
export function newCondition(since: Instant): Condition {
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

/** Returns the condition after a visit. */
export function conditionAfter(
  before: Condition,
  finding: Finding,
  at: { readonly now: Instant; readonly intervalMs: number },
): Condition {
  // The usual case makes no object.
  if (finding === WELL && before.state === "up" && before.code === "") return before;
  const next = judge(before, finding, at);
  const { since } = before;
  return next.state === before.state && next.code === before.code ? { ...next, since } : next;
}

function judge(
  { breakOffs, refusals }: Condition,
  finding: Finding,
  { now: since, intervalMs }: { readonly now: Instant; readonly intervalMs: number },
): Condition {
  const calm = { since, breakOffs: 0, refusals: 0, nextScrape: undefined };
  switch (finding.kind) {
    case "answered":
      return { state: "up", code: "", reason: "", ...finding.complaint, ...calm };
    case "not_ready":
      // This visit made no scrape, so the number of broken-off scrapes in a row stays.
      return { ...finding.why, ...calm, breakOffs };
    case "failed": {
      const { fault: code, text: reason } = finding;
      // Nobody listens on the socket: its shim is dead, or is just starting.
      if (code === "refused") return { state: "stale", code, reason, ...calm, refusals: refusals + 1 };
      // The socket was removed between the look at the files and the connection, and may be made again.
      if (code === "missing") return { state: "pending", code, reason, ...calm, breakOffs };
      const failing = { state: "failing", code, reason, ...calm } as const;
      if (!isCutOff(code)) return failing;
      const ms = pauseMs(breakOffs + 1, intervalMs);
      return { ...failing, breakOffs: breakOffs + 1, nextScrape: later(since, ms) };
    }
  }
}

/** The longest pause after scrapes that were broken off, unless one interval is longer. */
const PAUSE_MS_MAX = 300_000;

/**
 * Returns how long a sandbox is not asked after this many broken-off scrapes in a row: two intervals after the first
 * one, doubled with each further one up to `PAUSE_MS_MAX`, and at least one interval.
 */
export function pauseMs(breakOffs: number, intervalMs: number): number {
  return Math.max(intervalMs, Math.min(PAUSE_MS_MAX, intervalMs * 2 ** breakOffs));
}

function later({ unixMs, monotonicMs }: Instant, ms: number): Instant {
  return { unixMs: unixMs + ms, monotonicMs: monotonicMs + ms };
}
