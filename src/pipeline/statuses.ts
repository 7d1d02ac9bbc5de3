// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type {
  ComponentKind,
  ComponentState,
  ComponentStatus,
  StateDetails,
  Statuses,
} from "../component/status.ts";
import { ConcealedTexts } from "../text/concealed.ts";
import { componentKey } from "./component_key.ts";

/** States that a component leaves only when it starts again. */
const FINAL: ReadonlySet<ComponentState> = new Set(["stopped", "fatal_error"]);

/**
 * States that become `recoverable_error` while a component has old files. The other states are worse, or say that the
 * component stops.
 */
const WORKING: ReadonlySet<ComponentState> = new Set(["starting", "ok", "recoverable_error"]);

/** A component that goes on with old files, and why. */
interface Outdated {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly error: string;
  readonly sinceMs: number;
}

/** Keeps the last report of each component, and separately which components go on with old files. */
export class StatusBoard implements Statuses {
  readonly #clock: Clock;
  readonly #components = new Map<string, ComponentStatus>();
  readonly #outdated = new Set<Outdated>();
  readonly #unready = new Map<symbol, string>();
  #pipelines: ReadonlyMap<string, readonly string[]> = new Map();
  /** Removes from reasons the texts that people must not see, such as values of variables. */
  readonly #concealed: Pick<ConcealedTexts, "conceal">;

  constructor(clock: Clock, concealed: Pick<ConcealedTexts, "conceal"> = new ConcealedTexts()) {
    this.#clock = clock;
    this.#concealed = concealed;
  }

  report(
    kind: ComponentKind,
    id: string,
    state: ComponentState,
    reason = "",
    { needsRestart = false }: StateDetails = {},
  ): void {
    const error = this.#concealed.conceal(reason);
    const key = componentKey(kind, id);
    const before = this.#components.get(key);
    if (before?.state === state && before.error === error && before.needsRestart === needsRestart) return;
    // Errors while a component stops, or after, do not change its state.
    const isStopping = before?.state === "stopping" && state !== "stopped";
    if (before !== undefined && state !== "starting" && (FINAL.has(before.state) || isStopping)) return;
    const sinceMs = before?.state === state ? before.sinceMs : this.#clock.nowMs();
    this.#components.set(key, { kind, id, state, error, sinceMs, needsRestart });
  }

  outdated(kind: ComponentKind, id: string, reason: string): () => void {
    const error = this.#concealed.conceal(reason);
    const one: Outdated = { kind, id, error, sinceMs: this.#clock.nowMs() };
    this.#outdated.add(one);
    return () => this.#outdated.delete(one);
  }

  /** Returns which components go on with old files, and why, in words for the user. */
  outdatedNow(): readonly string[] {
    return Array.from(this.#outdated, ({ kind, id, error }) => `${kind} "${id}": ${error}`);
  }

  holdReadiness(kind: ComponentKind, id: string, reason: string): () => void {
    return this.holdAgent(`${kind} "${id}": ${this.#concealed.conceal(reason)}`);
  }

  /** Like `holdReadiness`, for a reason that is not about one component. */
  holdAgent(reason: string): () => void {
    const key = Symbol(reason);
    this.#unready.set(key, reason);
    return () => void this.#unready.delete(key);
  }

  unreadyReasons(): readonly string[] {
    return [...new Set(this.#unready.values())];
  }

  components(): readonly ComponentStatus[] {
    return Array.from(this.#components.values(), (status) => this.#withOutdated(status));
  }

  /**
   * Returns a function that sets the components back to the states that they have now. Reports of old files stay as
   * they are.
   */
  save(): () => void {
    const saved = [...this.#components];
    return () => {
      for (const [key, status] of saved) this.#components.set(key, status);
    };
  }

  pipelines(): ReadonlyMap<string, readonly string[]> {
    return this.#pipelines;
  }

  /**
   * Sets the pipelines and the extensions of the graph. Forgets the statuses of components that are in none of them.
   */
  arrange(pipelines: ReadonlyMap<string, readonly string[]>, extensions: readonly string[]): void {
    this.#pipelines = pipelines;
    const known = new Set([...pipelines.values()].flat());
    for (const id of extensions) known.add(componentKey("extension", id));
    for (const key of this.#components.keys()) if (!known.has(key)) this.#components.delete(key);
  }

  #withOutdated(status: ComponentStatus): ComponentStatus {
    const { kind, id, state, error, sinceMs } = status;
    const found = [...this.#outdated].filter((one) => one.kind === kind && one.id === id);
    if (found.length === 0 || !WORKING.has(state)) return status;
    const errors = found.map((one) => one.error);
    const times = found.map((one) => one.sinceMs);
    const hasFailed = state === "recoverable_error";
    return {
      ...status,
      state: "recoverable_error",
      error: (hasFailed ? [error, ...errors] : errors).join("; "),
      sinceMs: Math.min(...times, ...(hasFailed ? [sinceMs] : [])),
    };
  }
}
