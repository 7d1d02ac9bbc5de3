// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { accessFault } from "./access_fault.ts";
import type { RootState } from "./discovery.ts";

export const READABLE: RootState = { state: "readable" };

/** The state of a root that could not be listed, or in which nothing was found. */
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
 * The directory on the way to the path that exists no more though the path leads to it, as a mount does whose source
 * was removed. It is empty and can have no entry, so that it is the last one on the way that can be reached.
 */
function removedDirectory(path: string): string | undefined {
  try {
    const last = lastOnTheWay(path);
    return isRemoved(last) && isRemoved(last) ? last : undefined;
  } catch {
    // It changed meanwhile, or cannot be looked at: a doubt must not restart the agent.
    return undefined;
  }
}

/**
 * Nothing links to a directory that was removed. File systems that count no links say 1, and some of user space say 0
 * of every directory: an entry proves that it is there.
 */
function isRemoved(directory: string): boolean {
  return statSync(directory).nlink === 0 && readdirSync(directory).length === 0;
}

/** Of links that lead to links, as many as the kernel follows. */
const LINKS_MAX = 40;

/** The deepest directory on the way to the path that is there, on the way of its links where one leads nowhere. */
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
