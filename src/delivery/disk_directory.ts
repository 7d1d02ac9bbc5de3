// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, openSync, statfsSync } from "node:fs";

/** There is space for a request while so much is left, which is more than almost any request has… */
const SPACE_BYTES = 1024 * 1024;
/** … or such a share of a small disk or quota. */
const SPACE_SHARE = 0.125;

/** Whether so many bytes that are left of all bytes are space for another request. */
export function hasSpace(leftBytes: number, allBytes: number): boolean {
  return leftBytes >= Math.min(SPACE_BYTES, allBytes * SPACE_SHARE);
}

/** Whether the disk of the directory has space, as far as can be seen: a write may say more. */
export function hasDiskSpace(directory: string): boolean {
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    return hasSpace(bavail * bsize, blocks * bsize);
  } catch {
    return true;
  }
}

/** Makes the names of new files in it survive a loss of power. Throws what the file system says. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
