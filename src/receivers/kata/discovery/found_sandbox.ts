// SPDX-License-Identifier: Apache-2.0
import { type DirectoryIdentity, identityOf } from "./directory_identity.ts";
import type { Root, Runtime } from "./root.ts";

/** The name of the socket in a sandbox's directory on which its shim serves metrics. */
export const SOCKET_NAME = "shim-monitor.sock";

/** The name of the tree that Firecracker's jailer keeps next to the sandboxes of runtime-rs. */
export const JAILER = "firecracker";

/**
 * A sandbox's directory, as found. Two sandboxes may have the same id under two roots, but never the same directory.
 */
export interface FoundSandbox {
  readonly id: string;
  readonly root: Root;
  /** The runtime of `root`; unknown where the config names the root's directory twice, with two runtimes. */
  readonly runtime: Runtime;
  readonly directory: string;
  readonly identity: DirectoryIdentity;
}

/**
 * Returns whether the directory is still the one that was found; also true if it cannot be looked at, since a doubt
 * must not end a sandbox.
 */
export function isStillThere({ directory, identity }: FoundSandbox): boolean {
  try {
    return identityOf(directory)?.key === identity.key;
  } catch {
    return true;
  }
}
