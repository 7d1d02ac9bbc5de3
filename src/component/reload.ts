// SPDX-License-Identifier: Apache-2.0
/** The result of a reload. */
export interface ReloadResult {
  readonly ok: boolean;
  /**
   * In words for the user: the faults in the configuration, because of which the old one stays in use, and the files
   * that components could not read again.
   */
  readonly faults: readonly string[];
}

export interface ReloadOutcome extends ReloadResult {
  /** When the reload ended, in Unix milliseconds. */
  readonly atMs: number;
}

/** Reads the configuration again and changes the agent to it. */
export interface ReloadControl {
  /**
   * Resolves when the reload has ended. A call during a reload waits until that reload has ended, and gets the result
   * of the next one.
   */
  run(): Promise<ReloadResult>;
  /** Undefined before the first reload. */
  readonly last: ReloadOutcome | undefined;
}
