import type { Clock } from "../clock/clock.ts";
import type { ComponentKind, ComponentState, ComponentStatus, Statuses } from "../component/component.ts";

/** States that nothing but a start leads out of. */
const FINAL: ReadonlySet<ComponentState> = new Set(["stopped", "fatal_error"]);

/** Keeps what was reported last of each component. */
export class StatusBoard implements Statuses {
  readonly #clock: Clock;
  readonly #components = new Map<string, ComponentStatus>();
  #pipelines: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(kind: ComponentKind, id: string, state: ComponentState, error = ""): void {
    const key = keyOf(kind, id);
    const before = this.#components.get(key);
    if (before?.state === state && before.error === error) return;
    // What a component meets while it stops, or after, is no news of it.
    const isStopping = before?.state === "stopping" && state !== "stopped";
    if (before !== undefined && state !== "starting" && (FINAL.has(before.state) || isStopping)) return;
    const sinceMs = before?.state === state ? before.sinceMs : this.#clock.nowMs();
    this.#components.set(key, { kind, id, state, error, sinceMs });
  }

  components(): readonly ComponentStatus[] {
    return [...this.#components.values()];
  }

  pipelines(): ReadonlyMap<string, readonly string[]> {
    return this.#pipelines;
  }

  /** The components that there are from now on, by pipeline; others are forgotten. */
  arrange(pipelines: ReadonlyMap<string, readonly string[]>, extensions: readonly string[]): void {
    this.#pipelines = pipelines;
    const known = new Set([...pipelines.values()].flat());
    for (const id of extensions) known.add(keyOf("extension", id));
    for (const key of this.#components.keys()) if (!known.has(key)) this.#components.delete(key);
  }
}

export function keyOf(kind: ComponentKind, id: string): string {
  return `${kind}:${id}`;
}
