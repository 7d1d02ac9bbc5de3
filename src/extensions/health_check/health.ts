// SPDX-License-Identifier: Apache-2.0
import type { ReloadOutcome } from "../../component/reload.ts";
import type { ComponentState, ComponentStatus, Statuses } from "../../component/status.ts";

export interface HealthRules {
  readonly includePermanentErrors: boolean;
  readonly includeRecoverableErrors: boolean;
  /** A recoverable error counts when it has lasted so long. */
  readonly recoveryMs: number;
}

/** As the Collector's health_check v2 writes states. */
const STATE_NAMES: Readonly<Record<ComponentState, string>> = {
  starting: "StatusStarting",
  ok: "StatusOK",
  recoverable_error: "StatusRecoverableError",
  permanent_error: "StatusPermanentError",
  fatal_error: "StatusFatalError",
  stopping: "StatusStopping",
  stopped: "StatusStopped",
};

/** From best to worst: a whole is as its worst part. */
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
  /** Only a component has one. */
  readonly component?: ComponentStatus;
  /** The last reload. Only the whole agent has one, and only after a reload. */
  readonly reload?: ReloadOutcome;
}

/** How the agent, each pipeline and each component fare. */
export class Health {
  readonly #statuses: Statuses;
  readonly #rules: HealthRules;
  readonly #nowMs: () => number;

  constructor(statuses: Statuses, rules: HealthRules, nowMs: () => number) {
    this.#statuses = statuses;
    this.#rules = rules;
    this.#nowMs = nowMs;
  }

  /** Whether nothing is wrong that a restart or an operator would have to mend. */
  get isHealthy(): boolean {
    return this.#statuses.components().every((status) => this.#isComponentHealthy(status));
  }

  /**
   * Why a rollout should wait, in words for the user; empty where the agent is ready. `strict` also wants every component
   * of a pipeline to be well just now: a peer that is down is a reason then.
   */
  unreadyReasons(strict: boolean): readonly string[] {
    const reasons = this.#statuses.unreadyReasons();
    if (!strict) return reasons;
    const parts = this.#statuses.components().filter(({ kind }) => kind !== "extension");
    return [...reasons, ...parts.filter(({ state }) => state !== "ok").map(describe)];
  }

  /** Why only a restart helps, in words for the user; empty where it would not. */
  restartReasons(): readonly string[] {
    return this.#statuses
      .components()
      .filter(({ needsRestart }) => needsRestart)
      .map(describe);
  }

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
      // A clock that was set back must not excuse it for as long.
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
