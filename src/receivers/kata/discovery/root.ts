// SPDX-License-Identifier: Apache-2.0
/** The runtime that makes a root's sandboxes. Under an unknown one each sandbox has to prove its own. */
export type Runtime = "go" | "rs" | "unknown";

/** A directory that holds one directory per sandbox. */
export interface Root {
  readonly path: string;
  readonly runtime: Runtime;
}
