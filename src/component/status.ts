// SPDX-License-Identifier: Apache-2.0
export type ComponentKind = "receiver" | "processor" | "exporter" | "extension";

/**
 * The states of the Collector's component status. Of the errors, a recoverable one may pass by itself, a permanent one usually
 * needs somebody to act, and a fatal one ends the agent.
 */
export type ComponentState =
  | "starting"
  | "ok"
  | "recoverable_error"
  | "permanent_error"
  | "fatal_error"
  | "stopping"
  | "stopped";

/** The state of one component. All instances of a processor have one status together. */
export interface ComponentStatus {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly state: ComponentState;
  /** Why the component is not ok; empty where it reports no reason, as in the state "ok". */
  readonly error: string;
  /** When the component entered this state, in Unix milliseconds. */
  readonly sinceMs: number;
  /** Whether only a restart of the agent helps. Its liveness probe then fails. */
  readonly needsRestart: boolean;
}

/** Details of a reported state. */
export interface StateDetails {
  /** Whether only a restart of the agent helps; false if left out. */
  readonly needsRestart?: boolean;
}

/** The states of all components. The agent reports starts and stops; a component reports the states between them. */
export interface Statuses {
  /** Replaces the component's state. `error` says why the component is not ok. */
  report(
    kind: ComponentKind,
    id: string,
    state: ComponentState,
    error?: string,
    details?: StateDetails,
  ): void;
  /**
   * Reports that the component goes on with old files because it cannot use the new ones. Until the returned function is
   * called, the component's state is `recoverable_error` at best, whatever else it reports.
   */
  outdated(kind: ComponentKind, id: string, error: string): () => void;
  /**
   * Keeps the agent from being ready until the returned function is called. Examples: the roots have not been read yet, or a
   * queue takes nothing. A peer that is down is no reason, since neither a restart nor a rollout helps.
   */
  holdReadiness(kind: ComponentKind, id: string, reason: string): () => void;
  /** Why the agent is not ready, in words for the user; empty if it is ready. */
  unreadyReasons(): readonly string[];
  components(): readonly ComponentStatus[];
  /** The components of each pipeline, each as `kind:id`. */
  pipelines(): ReadonlyMap<string, readonly string[]>;
}
