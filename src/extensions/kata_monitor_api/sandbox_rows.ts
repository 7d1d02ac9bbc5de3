// SPDX-License-Identifier: Apache-2.0
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import { visible } from "../../text/visible.ts";

/** A point in time as it is shown to people. */
export interface ShownTime {
  /** The time between that point and now, such as "3h12m". */
  readonly age: string;
  /** The time in ISO 8601, with seconds. */
  readonly time: string;
}

/** One sandbox as it is shown. Hidden characters in texts are escaped; characters with a meaning in HTML are not. */
export interface SandboxRow {
  readonly id: string;
  /** The first digits of the id, enough to distinguish the sandboxes of a node. */
  readonly shortId: string;
  /** Namespace and name of the pod; undefined while no container runtime has named the pod. */
  readonly pod: string | undefined;
  /** The state and the code of its reason, such as "failing timeout". */
  readonly state: string;
  readonly severity: Severity;
  readonly since: ShownTime;
  /** When the shim last answered; undefined before its first answer. */
  readonly lastAnswer: ShownTime | undefined;
  /** When the sandbox is scraped next, if failures have delayed its scrapes; undefined if none have. */
  readonly nextScrape: ShownTime | undefined;
  readonly inRuntime: "yes" | "no" | "unknown";
  readonly runtime: string;
  readonly reason: string;
  readonly directory: string;
  readonly hasShim: boolean;
}

/** Whether a sandbox needs attention ("bad"), may need it ("odd"), or needs none ("well"). */
export type Severity = "bad" | "odd" | "well";

const SHORT_ID_LENGTH = 12;
/**
 * In milliseconds. A guest boots, and a runtime lists its sandbox, within seconds. A sandbox for which this takes
 * longer than a minute may be in trouble.
 */
const START_MS_MAX = 60_000;

/**
 * Returns the sandboxes as rows, the worst first. Of equally bad ones, the one that has been so for longest comes
 * first.
 */
export function sandboxRows(sandboxes: readonly SandboxStatus[], nowMs: number): SandboxRow[] {
  return sandboxes
    .map((status) => ({ status, rank: rankOf(status, nowMs) }))
    .sort((a, b) => a.rank - b.rank || compareSince(a.status, b.status))
    .map(({ status, rank }) => rowOf(status, rank, nowMs));
}

/** Returns namespace and name of the sandbox's pod, for people; undefined while the pod is not known. */
export function podNameOf({ pod }: SandboxStatus): string | undefined {
  return pod === undefined ? undefined : visible(`${pod.namespace}/${pod.name}`);
}

/** The conditions by which rows are sorted, the worst first, and how much attention each needs. */
const ORDER = [
  ["unsafe", "bad"],
  ["failing", "bad"],
  ["stale", "bad"],
  ["ending", "odd"],
  ["pending for long", "bad"],
  ["up with a reason", "odd"],
  ["pending", "odd"],
  ["up", "well"],
] as const satisfies readonly (readonly [condition: string, severity: Severity])[];

/** Returns the index of the sandbox's condition in `ORDER`. A condition that is not there counts as the worst. */
function rankOf(status: SandboxStatus, nowMs: number): number {
  const { state, code } = status;
  const hasReason = state === "up" && (code !== "" || whyOf(status, nowMs) !== "");
  const condition =
    state === "pending" && isLong(status, nowMs)
      ? "pending for long"
      : hasReason
        ? "up with a reason"
        : state;
  return Math.max(
    ORDER.findIndex(([known]) => known === condition),
    0,
  );
}

function isLong({ sinceMs }: SandboxStatus, nowMs: number): boolean {
  return nowMs - sinceMs > START_MS_MAX;
}

function compareSince(a: SandboxStatus, b: SandboxStatus): number {
  return a.sinceMs - b.sinceMs || (a.directory < b.directory ? -1 : 1);
}

function rowOf(status: SandboxStatus, rank: number, nowMs: number): SandboxRow {
  const { id, state, code, sinceMs, lastAnswerMs, nextScrapeMs, isListed } = status;
  return {
    id: visible(id),
    shortId: visible(id.slice(0, SHORT_ID_LENGTH)),
    pod: podNameOf(status),
    state: visible(code === "" ? state : `${state} ${code}`),
    severity: ORDER[rank]?.[1] ?? "bad",
    since: shownTimeOf(sinceMs, nowMs - sinceMs),
    lastAnswer: lastAnswerMs === undefined ? undefined : shownTimeOf(lastAnswerMs, nowMs - lastAnswerMs),
    nextScrape: nextScrapeMs === undefined ? undefined : shownTimeOf(nextScrapeMs, nextScrapeMs - nowMs),
    inRuntime: isListed === undefined ? "unknown" : isListed ? "yes" : "no",
    runtime: visible(status.runtime),
    reason: visible(whyOf(status, nowMs)),
    directory: visible(status.directory),
    hasShim: status.hasShim,
  };
}

function whyOf(status: SandboxStatus, nowMs: number): string {
  const { state, limits } = status;
  const limited = state === "up" && limits.length > 0 ? `over its limits: ${limits.join(", ")}` : "";
  return [reasonOf(status, nowMs), limited].filter((one) => one !== "").join("; ");
}

/** Returns the reason of a state. A VM that still answers though no runtime lists it has probably outlived its pod. */
function reasonOf(status: SandboxStatus, nowMs: number): string {
  const { state, reason, code, isListed } = status;
  if (reason !== "" || code !== "") return reason;
  const hasOutlived = state === "up" && isListed === false && isLong(status, nowMs);
  return hasOutlived ? "no container runtime lists it; its pod may be gone" : "";
}

/**
 * Writes a time, and the span between it and now. A negative span (a clock was set, or a scrape is due) is written as
 * 0.
 */
function shownTimeOf(timeMs: number, spanMs: number): ShownTime {
  const time = `${new Date(timeMs).toISOString().slice(0, "2026-01-01T00:00:00".length)}Z`;
  return { age: describeSpan(Math.max(0, spanMs)), time };
}

const UNITS: readonly (readonly [letter: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];

/** Writes a span of time with its two largest units, such as "3h12m". */
export function describeSpan(spanMs: number): string {
  let left = Math.floor(spanMs / 1_000);
  const parts: string[] = [];
  for (const [letter, seconds] of UNITS) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    if (count > 0) parts.push(`${count}${letter}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join("") || "0s";
}
