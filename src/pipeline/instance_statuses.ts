// SPDX-License-Identifier: Apache-2.0
import type {
  ComponentKind,
  ComponentState,
  ComponentStatus,
  StateDetails,
  Statuses,
} from "../component/status.ts";

/**
 * The statuses as one instance of a component has them. An exchange puts another instance under the same id, so what an
 * instance reports counts only until it is dismissed, and its holds on readiness end then, whoever forgets them.
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

  /** Ends with whoever reads the files, which may be shared with an instance that stays. */
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

  /** The instance is being shut down: nothing that it says is about the component any more. */
  dismiss(): void {
    this.#isDismissed = true;
    for (const release of this.#holds) release();
    this.#holds.clear();
  }
}
