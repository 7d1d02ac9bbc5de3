// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import type { Limit } from "../../prometheus/limit.ts";
import type { Page } from "../../prometheus/parse.ts";
import { type ChangeLine, changeLine } from "./change_lines.ts";
import type { Departure } from "./discovery/discovery.ts";
import { roundedDuration } from "./sandbox/answers.ts";
import type { Condition } from "./sandbox/condition.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";
import { isStuckPending, mayBeStarting } from "./sandbox/starting.ts";

/** Lines of one level that are written between two summaries; further ones are counted in the summary. */
const LINES_MAX = 60;
/** Sandboxes that a summary names for each reason. */
const NAMES_MAX = 10;
/** After this time, a state in which the agent expects no change brings no summary by itself. */
const SETTLED_MS = 600_000;

/** Sandboxes of one reason, as a summary gives them. */
interface Sick {
  readonly sandboxes: Set<Sandbox>;
  /** Whether the summary has to be written for it. */
  isNews: boolean;
}

/**
 * Says in the log how sandboxes fare: one line for each change of a state, up to a limit, and one summary per minute
 * while something is wrong. The summary names every sandbox in its turn, so that noisy ones hide nobody.
 */
export class SandboxLog {
  readonly #settings: Settings;
  /** Lines that may still be written before the next summary. */
  #left = { info: LINES_MAX, warn: LINES_MAX };
  /** Lines that were not written since the last summary, by message. */
  readonly #unwritten = new Map<string, number>();
  /** Sandboxes whose change was not written since the last summary, by reason. */
  readonly #unnamed = new Map<string, Set<Sandbox>>();
  /** Sandboxes whose last page had lines that were left out, and under which reason. */
  readonly #leftOut = new Map<Sandbox, "bad_lines" | "skipped_lines">();
  /** The limits that each sandbox has met, of which the log has said so. */
  readonly #limits = new WeakMap<Sandbox, Set<Limit>>();
  /** Sandboxes of which the log has said that they wait in vain. */
  readonly #waiting = new Set<Sandbox>();
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
    this.#waiting.delete(sandbox);
    const { foundAt, condition } = sandbox;
    const ageMs = this.#settings.clock.monotonicMs() - foundAt.monotonicMs;
    const fields = { before: describe(condition), followed: roundedDuration(ageMs) };
    const message = why === "removed" ? "Sandbox ended." : "Sandbox is not followed any more.";
    this.#write({ level: "info", message }, sandbox, fields);
  }

  /** Notes that the sandbox's state or code has changed. */
  changed(sandbox: Sandbox, before: Condition): void {
    const { condition: now, answers } = sandbox;
    this.#waiting.delete(sandbox);
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

  /** Notes that the sandbox is pending for longer than a start takes, though the runtime says that its pod runs. */
  isStuckPending(sandbox: Sandbox): void {
    if (this.#waiting.has(sandbox)) return;
    this.#waiting.add(sandbox);
    const { code, reason } = sandbox.condition;
    const line = { level: "warn", message: "Sandbox runs and cannot be scraped." } as const;
    this.#write(line, sandbox, { code, reason });
  }

  /**
   * Notes what was left out of the sandbox's page: one line when lines are bad, and one for each limit, with the option to
   * raise, when it is met first; the summaries say it while it lasts.
   */
  page(sandbox: Sandbox, { badLines, skippedLines, limits, firstFault }: Page): void {
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

  /** A sandbox meets each limit once in the log: one that goes in and out of it writes no line each time. */
  #limited(sandbox: Sandbox, limit: Limit, fields: Readonly<Record<string, unknown>>): void {
    const met = this.#limits.get(sandbox) ?? new Set();
    this.#limits.set(sandbox, met);
    if (met.has(limit)) return;
    met.add(limit);
    const option = `receivers::${this.#settings.id}::limits::${limit}`;
    const line = { level: "warn", message: "Sandbox is over a limit; what exceeds it is left out." } as const;
    this.#write(line, sandbox, { code: "skipped_lines", limit, option, ...fields });
  }

  /** Writes the summary, once per minute, if something is wrong or was not written. */
  summarize(sandboxes: Iterable<Sandbox>): void {
    const sick = this.#sick(sandboxes);
    const isNews = this.#unwritten.size > 0 || [...sick.values()].some((one) => one.isNews);
    if (isNews) {
      const unwritten = Object.fromEntries(this.#unwritten);
      const reasons = Object.fromEntries(
        Array.from(sick, ([code, one]) => [code, this.#named([...one.sandboxes])]),
      );
      const fields = { reasons, ...(this.#unwritten.size > 0 ? { unwritten } : {}) };
      if (sick.size > 0) this.#settings.logger.warn(fields, "Some sandboxes are not well.");
      else this.#settings.logger.info(fields, "Lines about sandboxes were left out.");
    }
    this.#summaries++;
    this.#left = { info: LINES_MAX, warn: LINES_MAX };
    this.#unwritten.clear();
    this.#unnamed.clear();
  }

  #sick(sandboxes: Iterable<Sandbox>): ReadonlyMap<string, Sick> {
    const { clock, host } = this.#settings;
    const nowMs = clock.monotonicMs();
    const sick = new Map<string, Sick>();
    const add = (code: string, sandbox: Sandbox, isNews: boolean): void => {
      const one = sick.get(code) ?? { sandboxes: new Set(), isNews: false };
      one.sandboxes.add(sandbox);
      one.isNews ||= isNews;
      sick.set(code, one);
    };
    for (const sandbox of sandboxes) {
      const { condition } = sandbox;
      if (isSick(sandbox, nowMs) || isStuckPending(sandbox, nowMs, host.single(WITNESSES)))
        add(condition.code, sandbox, !isSettled(condition, nowMs));
    }
    for (const [sandbox, code] of this.#leftOut) add(code, sandbox, true);
    for (const [code, unnamed] of this.#unnamed) for (const sandbox of unnamed) add(code, sandbox, true);
    return sick;
  }

  /** How many there are, and the next ten names. */
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

/** What a sandbox's boot took, as far as the agent saw it. */
function bootFields({ answers: { boot } }: Sandbox): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  if (boot?.socketMs !== undefined) fields["boot_socket"] = roundedDuration(boot.socketMs);
  if (boot?.answerMs !== undefined) fields["boot_answer"] = roundedDuration(boot.answerMs);
  return fields;
}

function describe({ state, code }: Condition): string {
  return code === "" ? state : `${state} (${code})`;
}

/** Whether somebody should know where the sandbox stands. */
function isSick(sandbox: Sandbox, nowMs: number): boolean {
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

/** Whether the condition says nothing new: an unsafe sandbox stays so, and so does a guest whose policy forbids metrics. */
function isSettled({ state, since }: Condition, nowMs: number): boolean {
  return (state === "unsafe" || state === "up") && nowMs - since.monotonicMs > SETTLED_MS;
}
