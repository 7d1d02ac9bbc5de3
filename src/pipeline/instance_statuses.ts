// SPDX-License-Identifier: Apache-2.0
import type {
  ComponentKind,
  ComponentState,
  ComponentStatus,
  StateDetails,
  Statuses,
} from "../component/status.ts";

/**
 * The statuses that one instance of a component gets. A reload can put another instance under the same id, so reports of an
 * instance count only until it is dismissed. Its holds on readiness end then too, even if it forgets to release them.
 */
export class InstanceStatuses implements Statuses {
  readonly #board: Statuses;
  readonly #holds = new Set<() => void>();
  #isDismissed = false;

  constructor(board: Statuses) {
    this.#board = board;
  }

  report(
    kind: ComponentKind,
    id: string,
    state: ComponentState,
    error?: string,
    details?: StateDetails,
  ): void {
    if (!this.#isDismissed) this.#board.report(kind, id, state, error, details);
  }

  /**
   * Reports that the instance uses old files. `dismiss` does not end this report, since the code that reads the files
   * may be shared with an instance that goes on. That code ends the report.
   */
  outdated(kind: ComponentKind, id: string, error: string): () => void {
    return this.#board.outdated(kind, id, error);
  }

  holdReadiness(kind: ComponentKind, id: string, reason: string): () => void {
    if (this.#isDismissed) return () => {};
    const release = this.#board.holdReadiness(kind, id, reason);
    this.#holds.add(release);
    return () => {
      this.#holds.delete(release);
      release();
    };
  }

  unreadyReasons(): readonly string[] {
    return this.#board.unreadyReasons();
  }

  components(): readonly ComponentStatus[] {
    return this.#board.components();
  }

  pipelines(): ReadonlyMap<string, readonly string[]> {
    return this.#board.pipelines();
  }

  /** Ignores the instance's reports from now on and releases its holds, because it is being shut down. */
  dismiss(): void {
    this.#isDismissed = true;
    for (const release of this.#holds) release();
    this.#holds.clear();
  }
}
