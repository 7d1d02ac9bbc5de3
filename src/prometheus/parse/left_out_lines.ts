// SPDX-License-Identifier: Apache-2.0
import type { Limit } from "./limit.ts";

/** A line of the page that was left out, and why. `position` is that of a byte within the line. */
export interface LineFault {
  readonly position: number;
  readonly reason: string;
}

/** Counts the lines of a page that were left out. */
export class LeftOutLines {
  /**
   * The number of lines that are malformed, contradict other lines, or belong to a family that the page cannot define.
   */
  bad = 0;
  /** The number of lines that were left out because a limit was reached. */
  skipped = 0;
  /** The number of bad and skipped lines by reason. There are a few dozen reasons. */
  readonly reasons: Map<string, number> = new Map();
  /** The limits because of which lines were left out. */
  readonly limits: Set<Limit> = new Set();
  /** The fault whose line is first on the page, in whatever order faults were added. */
  first: LineFault | undefined;

  get lines(): number {
    return this.bad + this.skipped;
  }

  addBad(fault: LineFault, lines = 1): void {
    this.bad += lines;
    this.#note(fault, lines);
  }

  addSkipped(limit: Limit, fault: LineFault, lines = 1): void {
    if (lines > 0) this.limits.add(limit);
    this.skipped += lines;
    this.#note(fault, lines);
  }

  #note(fault: LineFault, lines: number): void {
    if (lines === 0) return;
    this.reasons.set(fault.reason, (this.reasons.get(fault.reason) ?? 0) + lines);
    if (this.first === undefined || fault.position < this.first.position) this.first = fault;
  }

  /** Adds the counts of `other`, which are of another part of the same page. */
  merge(other: LeftOutLines): void {
    if (other.first === undefined) return;
    this.bad += other.bad;
    this.skipped += other.skipped;
    for (const limit of other.limits) this.limits.add(limit);
    for (const [reason, lines] of other.reasons)
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + lines);
    if (this.first === undefined || other.first.position < this.first.position) this.first = other.first;
  }
}
