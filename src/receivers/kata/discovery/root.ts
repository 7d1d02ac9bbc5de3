// SPDX-License-Identifier: Apache-2.0
/**
 * The runtime that makes a root's sandboxes. If it is `unknown`, the files of each sandbox have to prove its runtime.
 */
export type Runtime = "go" | "rs" | "unknown";

/** A directory that holds one directory per sandbox. */
export interface Root {
  readonly path: string;
  readonly runtime: Runtime;
}
