// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { accessFault } from "./access_fault.ts";

/**
 * The state of a root: whether it can be listed. The sandboxes of a root that becomes unreadable are kept; a missing or
 * removed root has no sandboxes.
 */
export type RootState =
  | { readonly state: "readable" }
  | { readonly state: "missing" }
  | { readonly state: "unreadable"; readonly error: string }
  /** The root's directory was removed on the node while it was mounted here: only a restart helps. */
  | { readonly state: "removed"; readonly error: string };

export const READABLE: RootState = { state: "readable" };

/**
 * Returns the state of a root that could not be listed because of `error`; without an error, that of a root that was
 * listed and is empty.
 */
export function stateWithout(path: string, error?: unknown): RootState {
  const isMissing = (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
  if (error !== undefined && !isMissing) return { state: "unreadable", error: accessFault(path, error) };
  const removed = removedDirectory(path);
  if (removed !== undefined) return { state: "removed", error: removalText(path, removed) };
  return isMissing ? { state: "missing" } : READABLE;
}

function removalText(path: string, removed: string): string {
  return (
    `cannot see ${JSON.stringify(path)}: the directory at ${JSON.stringify(removed)} was removed on the node while it was ` +
    "mounted here, and what took its place does not show; only a restart of the pod mends it; mount its parent " +
    "directory, or mount it with mountPropagation HostToContainer"
  );
}

/**
 * Returns the directory, at the path or above it, that was removed on the node and can still be reached here, as a
 * mount whose source was removed can; undefined if there is none. Such a directory is empty and can get no entry, so it
 * is the last one on the way to the path that can be reached.
 */
function removedDirectory(path: string): string | undefined {
  try {
    const last = lastOnTheWay(path);
    // Checked twice: another directory may take this path between the calls of one check.
    return isRemoved(last) && isRemoved(last) ? last : undefined;
  } catch {
    // The directory changed meanwhile, or cannot be looked at: a doubt must not restart the agent.
    return undefined;
  }
}

/**
 * Returns whether the directory was removed: nothing links to it then. File systems that do not count links give 1, and
 * some in user space give 0 for every directory; an entry proves that the directory exists.
 */
function isRemoved(directory: string): boolean {
  return statSync(directory).nlink === 0 && readdirSync(directory).length === 0;
}

/** The most symbolic links that are followed on the way to a path, which is also the kernel's limit. */
const LINKS_MAX = 40;

/**
 * Returns the deepest existing directory on the way to the path. A link that leads nowhere is replaced by its target.
 */
function lastOnTheWay(path: string): string {
  let at = path;
  let links = 0;
  while (statSync(at, { throwIfNoEntry: false }) === undefined) {
    const isLink = lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (isLink && ++links > LINKS_MAX)
      throw new Error(`too many links on the way to ${JSON.stringify(path)}`);
    at = isLink ? resolve(dirname(at), readlinkSync(at)) : dirname(at);
  }
  return at;
}
