// SPDX-License-Identifier: Apache-2.0
import type { ReloadOutcome } from "../../component/reload.ts";
import type { ComponentState, ComponentStatus, Statuses } from "../../component/status.ts";

/** Which errors make the agent unhealthy. */
export interface HealthRules {
  readonly includePermanentErrors: boolean;
  readonly includeRecoverableErrors: boolean;
  /** A recoverable error counts after it has lasted this long. */
  readonly recoveryMs: number;
}

/** The names of states in the Collector's health_check v2. */
const STATE_NAMES: Readonly<Record<ComponentState, string>> = {
  starting: "StatusStarting",
  ok: "StatusOK",
  recoverable_error: "StatusRecoverableError",
  permanent_error: "StatusPermanentError",
  fatal_error: "StatusFatalError",
  stopping: "StatusStopping",
  stopped: "StatusStopped",
};

/** The states from best to worst. A group has the state of its worst component. */
const SEVERITY: readonly ComponentState[] = [
  "ok",
  "stopped",
  "stopping",
  "starting",
  "recoverable_error",
  "permanent_error",
  "fatal_error",
];

/** The health of the agent, of a group of components, or of one component. */
export interface StatusTree {
  readonly isHealthy: boolean;
  /** The state as the Collector's health_check v2 writes it. */
  readonly status: string;
  /** The parts by name; empty for a component. */
  readonly parts: Readonly<Record<string, StatusTree>>;
  /** The component's status; undefined for the agent and for groups. */
  readonly component?: ComponentStatus;
  /** The outcome of the last reload. Only the whole agent has one, and only after a reload. */
  readonly reload?: ReloadOutcome;
}

/** Reads the health of the agent, of each pipeline and of each component from the statuses. */
export class Health {
  readonly #statuses: Statuses;
  readonly #rules: HealthRules;
  readonly #nowMs: () => number;

  constructor(statuses: Statuses, rules: HealthRules, nowMs: () => number) {
    this.#statuses = statuses;
    this.#rules = rules;
    this.#nowMs = nowMs;
  }

  /** Whether every component is healthy by the rules. */
  get isHealthy(): boolean {
    return this.#statuses.components().every((status) => this.#isComponentHealthy(status));
  }

  /**
   * Returns why a rollout should wait, as texts for the user; empty where the agent is ready. With `strict`, each
   * receiver, processor and exporter whose state is not "ok" is a reason too, for example an exporter whose peer is
   * down.
   */
  unreadyReasons(strict: boolean): readonly string[] {
    const reasons = this.#statuses.unreadyReasons();
    if (!strict) return reasons;
    const parts = this.#statuses.components().filter(({ kind }) => kind !== "extension");
    return [...reasons, ...parts.filter(({ state }) => state !== "ok").map(describe)];
  }

  /** Returns the faults that only a restart of the agent removes, as texts for the user. */
  restartReasons(): readonly string[] {
    return this.#statuses
      .components()
      .filter(({ needsRestart }) => needsRestart)
      .map(describe);
  }

  /** Returns the health of everything. `last` is the outcome of the last reload, if there was one. */
  tree(last: ReloadOutcome | undefined): StatusTree {
    const byKey = new Map(
      this.#statuses.components().map((status) => [`${status.kind}:${status.id}`, status]),
    );
    const parts: Record<string, StatusTree> = {};
    const extensions = [...byKey].filter(([key]) => key.startsWith("extension:"));
    if (extensions.length > 0) parts["extensions"] = this.#group(extensions);
    for (const [pipeline, keys] of this.#statuses.pipelines()) {
      const members = keys.flatMap((key) => {
        const status = byKey.get(key);
        return status === undefined ? [] : [[key, status] as const];
      });
      parts[`pipeline:${pipeline}`] = this.#group(members);
    }
    return {
      isHealthy: this.isHealthy,
      status: STATE_NAMES[worst(byKey.values())],
      parts,
      ...(last === undefined ? {} : { reload: last }),
    };
  }

  #group(members: readonly (readonly [string, ComponentStatus])[]): StatusTree {
    const statuses = members.map(([, status]) => status);
    return {
      isHealthy: statuses.every((status) => this.#isComponentHealthy(status)),
      status: STATE_NAMES[worst(statuses)],
      parts: Object.fromEntries(members.map(([key, status]) => [key, this.#leaf(status)])),
    };
  }

  #leaf(status: ComponentStatus): StatusTree {
    return {
      isHealthy: this.#isComponentHealthy(status),
      status: STATE_NAMES[status.state],
      parts: {},
      component: status,
    };
  }

  #isComponentHealthy({ state, sinceMs }: ComponentStatus): boolean {
    const { includePermanentErrors, includeRecoverableErrors, recoveryMs } = this.#rules;
    if (state === "permanent_error") return !includePermanentErrors;
    if (state === "recoverable_error") {
      const forMs = this.#nowMs() - sinceMs;
      // `forMs` is negative where the clock was set back. The error then counts, since its true age is unknown.
      return !includeRecoverableErrors || (forMs >= 0 && forMs < recoveryMs);
    }
    return state === "ok" || state === "starting";
  }
}

function describe({ kind, id, state, error }: ComponentStatus): string {
  const words = state.replace("_", " ");
  return `${kind} "${id}": ${error === "" ? words : `${words}: ${error}`}`;
}

function worst(statuses: Iterable<ComponentStatus>): ComponentState {
  let found = 0;
  for (const { state } of statuses) found = Math.max(found, SEVERITY.indexOf(state));
  return SEVERITY[found] ?? "ok";
}
