// SPDX-License-Identifier: Apache-2.0
export type ComponentKind = "receiver" | "processor" | "exporter" | "extension";

/** As the Collector's component status. The first two of the errors may pass by themselves or not; the last ends the agent. */
export type ComponentState =
  | "starting"
  | "ok"
  | "recoverable_error"
  | "permanent_error"
  | "fatal_error"
  | "stopping"
  | "stopped";

export interface ComponentStatus {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly state: ComponentState;
  /** Why it is not ok; empty where it is. */
  readonly error: string;
  /** Since when it is in this state, in Unix milliseconds. */
  readonly sinceMs: number;
  /** Whether nothing but a restart of the agent mends it: liveness fails. */
  readonly needsRestart: boolean;
}

/** Details of a reported state. */
export interface StateDetails {
  /** Whether nothing but a restart of the agent mends it. */
  readonly needsRestart?: boolean;
}

/** How the components fare. The agent reports starts and stops, components report what they meet between. */
export interface Statuses {
  report(
    kind: ComponentKind,
    id: string,
    state: ComponentState,
    error?: string,
    details?: StateDetails,
  ): void;
  /**
   * Says that the component goes on with old files because the new ones are no good. Until the returned function is
   * called, its state is recoverable_error at best, whatever it reports of its work.
   */
  outdated(kind: ComponentKind, id: string, error: string): () => void;
  /**
   * Keeps the agent from being ready until the returned function is called, such as before the first look at the roots
   * or while a queue takes nothing. A peer that is down is no reason: a restart or a rollout does not mend it.
   */
  holdReadiness(kind: ComponentKind, id: string, reason: string): () => void;
  /** Why the agent is not ready, in words for the user; empty where it is. */
  unreadyReasons(): readonly string[];
  components(): readonly ComponentStatus[];
  /** The components of each pipeline, as `kind:id`. */
  pipelines(): ReadonlyMap<string, readonly string[]>;
}
