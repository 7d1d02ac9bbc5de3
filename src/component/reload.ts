// SPDX-License-Identifier: Apache-2.0
/** The result of a reload. */
export interface ReloadResult {
  readonly ok: boolean;
  /** The faults, in words for the user. If there is any fault in the configuration, the old one stays in use. */
  readonly faults: readonly string[];
}

export interface ReloadOutcome extends ReloadResult {
  /** When the reload ended, in Unix milliseconds. */
  readonly atMs: number;
}

/** Reads the configuration again and changes the agent to it. */
export interface ReloadControl {
  /** Resolves when the reload has ended. A call during a reload waits for that one and gets the next. */
  run(): Promise<ReloadResult>;
  /** Undefined before the first reload. */
  readonly last: ReloadOutcome | undefined;
}
