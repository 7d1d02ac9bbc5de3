// SPDX-License-Identifier: Apache-2.0
/** What became of a reload: faults are in words for the user, and leave the old configuration at work. */
export interface ReloadResult {
  readonly ok: boolean;
  readonly faults: readonly string[];
}

export interface ReloadOutcome extends ReloadResult {
  /** Unix milliseconds. */
  readonly atMs: number;
}

/** Reads the configuration again and goes over to it. */
export interface ReloadControl {
  run(): Promise<ReloadResult>;
  readonly last: ReloadOutcome | undefined;
}
