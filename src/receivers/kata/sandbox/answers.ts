// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from "../../../options/values.ts";
import type { Limit } from "../../../prometheus/parse/limit.ts";
import type { BootTimes } from "./boot_times.ts";
import type { Complaint } from "./condition.ts";

/** One answer of a shim. */
export interface ShimAnswer {
  /** The time of the answer by the monotonic clock. */
  readonly nowMs: number;
  readonly durationMs: number;
  /** Whether the guest's part of the page is missing. */
  readonly partial: boolean;
}

/** A shim leaves the guest out for this long after a client has cut off a request (Kata Containers, pull request 13491). */
const GUEST_PAUSE_MS = 30_000;
/** The number of latest pages of which `Answers` remembers whether they had the guest's part. */
const REMEMBERED = 8;
/**
 * If the guest's part came or went at least this often within the remembered pages, another scraper seems to take it in
 * turn with this agent.
 */
const TURNS_MIN = 3;

/** The limits of a sandbox whose last page exceeded none. */
export const NO_LIMITS: ReadonlySet<Limit> = new Set();

/** Remembers the answers of one shim, and says what is wrong with them. */
export class Answers {
  readonly #timeoutMs: number;
  /** The duration of the last answer; undefined if it was not slow. */
  #slowMs: number | undefined;
  /** One bit for each remembered page, the latest in the lowest bit: whether it had the guest's part. */
  #guestParts = 0;
  #count = 0;
  #guestSeen = false;
  #cutOffMs: number | undefined;
  /** The time of the last answer in Unix milliseconds; undefined before the first. */
  lastMs: number | undefined;
  /** The times that the sandbox took to start; undefined before its first answer. */
  boot: BootTimes | undefined;
  /** The limits that the last page exceeded, so that a part of it was left out. */
  limits: ReadonlySet<Limit> = NO_LIMITS;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Records that this agent cut off a request: the shim may leave the guest out for a while. */
  noteCutOff(nowMs: number): void {
    this.#cutOffMs = nowMs;
    this.#slowMs = undefined;
  }

  /** Records an answer. Returns what is wrong with it and the answers before it; undefined if nothing is. */
  note(answer: ShimAnswer): Complaint | undefined {
    this.#count = Math.min(REMEMBERED, this.#count + 1);
    this.#guestParts = ((this.#guestParts << 1) | (answer.partial ? 0 : 1)) & ((1 << REMEMBERED) - 1);
    if (!answer.partial) this.#guestSeen = true;
    return this.#slowness(answer) ?? this.#absence(answer);
  }

  /**
   * Returns the complaint that the last two answers were slow; undefined unless both were slow, since a single
   * slow answer may be chance.
   */
  #slowness({ durationMs }: ShimAnswer): Complaint | undefined {
    const before = this.#slowMs;
    this.#slowMs = durationMs > this.#timeoutMs / 2 ? durationMs : undefined;
    if (before === undefined || this.#slowMs === undefined) return undefined;
    const [one, other, limit] = [before, durationMs, this.#timeoutMs].map(roundedDuration);
    return {
      code: "slow",
      reason: `the last two scrapes took ${one} and ${other} of the timeout of ${limit}`,
    };
  }

  #absence({ partial, nowMs }: ShimAnswer): Complaint | undefined {
    const takesTurns = this.#turns() >= TURNS_MIN;
    if (!partial && !takesTurns) return undefined;
    return { code: "partial", reason: `the guest's part is missing: ${this.#whyAbsent(nowMs, takesTurns)}` };
  }

  #whyAbsent(nowMs: number, takesTurns: boolean): string {
    const agoMs = nowMs - (this.#cutOffMs ?? Number.NEGATIVE_INFINITY);
    if (agoMs < GUEST_PAUSE_MS)
      return `this agent cut off a request ${roundedDuration(agoMs)} ago, and the shim leaves the guest out for ${roundedDuration(GUEST_PAUSE_MS)} after that`;
    if (takesTurns)
      return "it comes and goes; another scraper of this shim, such as kata-monitor, seems to take it in turn";
    return this.#guestSeen
      ? "it was there before; the guest's agent does not answer the shim, or another scraper of this shim took it"
      : "no page has had it yet; the guest's policy forbids it, or its agent does not answer the shim";
  }

  /** Returns how often the guest's part came or went within the remembered pages. */
  #turns(): number {
    let turns = 0;
    for (let i = 1; i < this.#count; i++)
      if (((this.#guestParts >> i) & 1) !== ((this.#guestParts >> (i - 1)) & 1)) turns++;
    return turns;
  }
}

/** Writes a duration for people, rounded to 1 ms below 1 s, to 0.1 s below 10 s, and to 1 s above. */
export function roundedDuration(ms: number): string {
  const unit = ms < 1_000 ? 1 : ms < 10_000 ? 100 : 1_000;
  return formatDuration(Math.round(ms / unit) * unit);
}
