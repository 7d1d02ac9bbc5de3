// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import type { Limit } from "../../prometheus/parse/limit.ts";
import type { ParsedPage } from "../../prometheus/parse/parsed_page.ts";
import { type ChangeLine, changeLine } from "./change_lines.ts";
import type { Departure } from "./discovery/discovery.ts";
import { roundedDuration } from "./sandbox/answers.ts";
import type { Condition } from "./sandbox/condition.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";
import { isStuckPending, mayBeStarting } from "./sandbox/starting.ts";

/**
 * The most lines of one level that are written between two summaries. Further lines are counted in the summary instead.
 */
const LINES_MAX = 60;
/** The most sandboxes that a summary names for each reason; if there are more, the next summary names others. */
const NAMES_MAX = 10;
/** A sandbox that has been unsafe, slow or partial for longer than this causes no summary by itself. */
const STEADY_MS = 600_000;

/** The sandboxes of a summary that have the same reason. */
interface ReasonGroup {
  readonly sandboxes: Set<Sandbox>;
  /** Whether the summary has to be written because of this reason. */
  isNews: boolean;
}

/**
 * Logs the changes of sandboxes: one line for each change of a state, up to a limit, and one summary per minute while
 * something is wrong. If a summary cannot name all sandboxes of a reason, the next ones name the rest, so that noisy
 * sandboxes do not hide others.
 */
export class SandboxLog {
  readonly #settings: Settings;
  /** The number of lines that may still be written before the next summary. */
  #left = { info: LINES_MAX, warn: LINES_MAX };
  /** The number of lines that were not written since the last summary, by message. */
  readonly #unwritten = new Map<string, number>();
  /** Sandboxes whose change was not written since the last summary, by reason. */
  readonly #unnamed = new Map<string, Set<Sandbox>>();
  /** The sandboxes whose last page had lines that were left out, with the reason. */
  readonly #leftOut = new Map<Sandbox, "bad_lines" | "skipped_lines">();
  /** The limits that each sandbox has exceeded so far: the log says each one once. */
  readonly #limits = new WeakMap<Sandbox, Set<Limit>>();
  /** The sandboxes of which the log has said that they are pending for too long. */
  readonly #stuck = new Set<Sandbox>();
  #summaries = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  found(sandbox: Sandbox): void {
    this.#write({ level: "info", message: "Sandbox found." }, sandbox, {
      runtime: sandbox.found.runtime,
    });
  }

  ended(sandbox: Sandbox, why: Departure): void {
    this.#leftOut.delete(sandbox);
    this.#stuck.delete(sandbox);
    const { foundAt, condition } = sandbox;
    const ageMs = this.#settings.clock.monotonicMs() - foundAt.monotonicMs;
    const fields = { before: describe(condition), followed: roundedDuration(ageMs) };
    const message = why === "removed" ? "Sandbox ended." : "Sandbox is not followed any more.";
    this.#write({ level: "info", message }, sandbox, fields);
  }

  /** Logs that the sandbox's state or code has changed. */
  changed(sandbox: Sandbox, before: Condition): void {
    const { condition: now, answers } = sandbox;
    this.#stuck.delete(sandbox);
    const hasAnswered = answers.lastMs !== undefined;
    const isStart = mayBeStarting(sandbox, now.since.monotonicMs);
    const line = changeLine(before, now, { hasAnswered, isStart });
    if (line === undefined) return;
    this.#write(line, sandbox, {
      state: now.state,
      ...(now.code === "" ? {} : { code: now.code, reason: now.reason }),
      before: describe(before),
      lasted: roundedDuration(now.since.monotonicMs - before.since.monotonicMs),
      ...(hasAnswered ? {} : bootFields(sandbox)),
    });
  }

  /** Logs once that the sandbox is pending for longer than a start takes, although the container runtime lists it. */
  stuck(sandbox: Sandbox): void {
    if (this.#stuck.has(sandbox)) return;
    this.#stuck.add(sandbox);
    const { code, reason } = sandbox.condition;
    const line = { level: "warn", message: "Sandbox runs and cannot be scraped." } as const;
    this.#write(line, sandbox, { code, reason });
  }

  /**
   * Logs what was left out of the sandbox's page: one line if the page has bad lines and nothing was left out of the
   * page before, and one line for each limit that the sandbox exceeds for the first time, which names the option to
   * raise. While lines are left out, the summaries name the sandbox.
   */
  page(sandbox: Sandbox, { badLines, skippedLines, limits, firstFault }: ParsedPage): void {
    const reason = `line ${firstFault?.line ?? 0}: ${firstFault?.reason ?? "the page was cut"}`;
    for (const limit of limits) this.#limited(sandbox, limit, { reason, skipped: skippedLines });
    if (badLines === 0 && skippedLines === 0) {
      this.#leftOut.delete(sandbox);
      return;
    }
    const before = this.#leftOut.get(sandbox);
    const code = badLines > 0 ? "bad_lines" : "skipped_lines";
    this.#leftOut.set(sandbox, code);
    if (badLines === 0 || before !== undefined) return;
    const line = { level: "warn", message: "Page has lines that cannot be used." } as const;
    this.#write(line, sandbox, { code, reason, bad: badLines, skipped: skippedLines });
  }

  /**
   * Logs each limit of a sandbox once, so that pages that are over and under the limit in turn write no line each time.
   */
  #limited(sandbox: Sandbox, limit: Limit, fields: Readonly<Record<string, unknown>>): void {
    const met = this.#limits.get(sandbox) ?? new Set();
    this.#limits.set(sandbox, met);
    if (met.has(limit)) return;
    met.add(limit);
    const option = `receivers::${this.#settings.id}::limits::${limit}`;
    const line = { level: "warn", message: "Sandbox is over a limit; what exceeds it is left out." } as const;
    this.#write(line, sandbox, { code: "skipped_lines", limit, option, ...fields });
  }

  /**
   * Writes the summary if something is wrong, or if lines were not written because of `LINES_MAX`. To be called once
   * per minute.
   */
  summarize(sandboxes: Iterable<Sandbox>): void {
    const groups = this.#groups(sandboxes);
    const isNews = this.#unwritten.size > 0 || [...groups.values()].some((one) => one.isNews);
    if (isNews) {
      const unwritten = Object.fromEntries(this.#unwritten);
      const reasons = Object.fromEntries(
        Array.from(groups, ([code, one]) => [code, this.#named([...one.sandboxes])]),
      );
      const fields = { reasons, ...(this.#unwritten.size > 0 ? { unwritten } : {}) };
      if (groups.size > 0) this.#settings.logger.warn(fields, "Some sandboxes are not well.");
      else this.#settings.logger.info(fields, "Lines about sandboxes were left out.");
    }
    this.#summaries++;
    this.#left = { info: LINES_MAX, warn: LINES_MAX };
    this.#unwritten.clear();
    this.#unnamed.clear();
  }

  #groups(sandboxes: Iterable<Sandbox>): ReadonlyMap<string, ReasonGroup> {
    const { clock, host } = this.#settings;
    const nowMs = clock.monotonicMs();
    const groups = new Map<string, ReasonGroup>();
    const add = (code: string, sandbox: Sandbox, isNews: boolean): void => {
      const one = groups.get(code) ?? { sandboxes: new Set(), isNews: false };
      one.sandboxes.add(sandbox);
      one.isNews ||= isNews;
      groups.set(code, one);
    };
    for (const sandbox of sandboxes) {
      const { condition } = sandbox;
      if (needsAttention(sandbox, nowMs) || isStuckPending(sandbox, nowMs, host.single(WITNESSES)))
        add(condition.code, sandbox, !isSteady(condition, nowMs));
    }
    for (const [sandbox, code] of this.#leftOut) add(code, sandbox, true);
    for (const [code, unnamed] of this.#unnamed) for (const sandbox of unnamed) add(code, sandbox, true);
    return groups;
  }

  /** Returns the number of sandboxes and up to ten of their names: if there are more, other names in each summary. */
  #named(sandboxes: readonly Sandbox[]): { readonly count: number; readonly names: readonly string[] } {
    const witnesses = this.#settings.host.single(WITNESSES);
    const count = sandboxes.length;
    const first = count > NAMES_MAX ? (this.#summaries * NAMES_MAX) % count : 0;
    const names = Array.from({ length: Math.min(count, NAMES_MAX) }, (_, i) => {
      const { sandbox, pod } = sandboxNameOf(sandboxes[(first + i) % count] as Sandbox, witnesses);
      return pod ?? sandbox;
    });
    return { count, names };
  }

  #write({ level, message }: ChangeLine, sandbox: Sandbox, fields: Readonly<Record<string, unknown>>): void {
    if (this.#left[level] > 0) {
      this.#left[level]--;
      const { logger, host } = this.#settings;
      logger[level]({ ...sandboxNameOf(sandbox, host.single(WITNESSES)), ...fields }, message);
      return;
    }
    this.#unwritten.set(message, (this.#unwritten.get(message) ?? 0) + 1);
    if (level === "info") return;
    const code = String(fields["code"]);
    this.#unnamed.set(code, (this.#unnamed.get(code) ?? new Set()).add(sandbox));
  }
}

/** Returns the times of a sandbox's start, as far as the agent saw it. */
function bootFields({ answers: { boot } }: Sandbox): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  if (boot?.socketMs !== undefined) fields["boot_socket"] = roundedDuration(boot.socketMs);
  if (boot?.answerMs !== undefined) fields["boot_answer"] = roundedDuration(boot.answerMs);
  return fields;
}

function describe({ state, code }: Condition): string {
  return code === "" ? state : `${state} (${code})`;
}

/** Returns whether the sandbox's condition is of interest to an operator. */
function needsAttention(sandbox: Sandbox, nowMs: number): boolean {
  const { state, code } = sandbox.condition;
  switch (state) {
    case "failing":
    case "unsafe":
      return true;
    case "up":
      return code !== "";
    case "stale":
    case "pending":
      return !mayBeStarting(sandbox, nowMs);
    case "ending":
      return false;
  }
}

/**
 * Returns whether the condition has lasted for so long that it is no news: an unsafe sandbox stays unsafe, and one
 * whose guest's policy forbids metrics stays partial.
 */
function isSteady({ state, since }: Condition, nowMs: number): boolean {
  return (state === "unsafe" || state === "up") && nowMs - since.monotonicMs > STEADY_MS;
}
