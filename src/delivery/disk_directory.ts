// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, openSync, statfsSync } from "node:fs";

/** There is space while this much is left: it is more than almost any request has. */
const SPACE_BYTES = 1024 * 1024;
/** On a small disk, or with a small quota, there is space while this share of it is left. */
const SPACE_SHARE = 0.125;

/** Whether `leftBytes`, of `allBytes` in total, are space enough for another request. */
export function hasSpace(leftBytes: number, allBytes: number): boolean {
  return leftBytes >= Math.min(SPACE_BYTES, allBytes * SPACE_SHARE);
}

/** Whether the disk of the directory seems to have space. A write may fail nevertheless. */
export function hasDiskSpace(directory: string): boolean {
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    return hasSpace(bavail * bsize, blocks * bsize);
  } catch {
    return true;
  }
}

/** Forces the names of new files in the directory to the disk, so that they survive a loss of power. Throws errors of the file system. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
