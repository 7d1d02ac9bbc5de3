// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, openSync, statfsSync } from "node:fs";

/** There is space for another request while this many bytes are free. Almost every request is smaller. */
const SPACE_BYTES = 1024 * 1024;
/** If this share of a small disk or quota is less than `SPACE_BYTES`, there is space while this share is free. */
const SPACE_SHARE = 0.125;

/** Whether `leftBytes`, the free bytes of a disk or quota of `allBytes`, have space for another request. */
export function hasSpace(leftBytes: number, allBytes: number): boolean {
  return leftBytes >= Math.min(SPACE_BYTES, allBytes * SPACE_SHARE);
}

/**
 * Whether the disk of the directory seems to have space for another request. If that cannot be found out, the answer is
 * yes.
 */
export function hasDiskSpace(directory: string): boolean {
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    return hasSpace(bavail * bsize, blocks * bsize);
  } catch {
    return true;
  }
}

/**
 * Forces the names of new files in the directory to the disk, so that they survive a loss of power. Throws errors of
 * the file system.
 */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
