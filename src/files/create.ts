// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:fs";
import { chmod, type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Creates the directory, and those above it that are missing, with exactly this mode, whatever the umask. An existing
 * directory keeps its mode.
 */
export async function ensureDirectory(path: string, mode: number): Promise<void> {
  const topmost = await mkdir(path, { recursive: true, mode });
  if (topmost === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await chmod(made, mode);
    if (made.length <= topmost.length) return;
  }
}

/**
 * Opens a file for reading and for writing at its end. Creates a missing file with exactly this mode, whatever the
 * umask. An existing file keeps its mode.
 */
export async function openOrCreate(path: string, mode: number): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_APPEND, O_EXCL } = constants;
  const flags = O_RDWR | O_CREAT | O_APPEND;
  try {
    const made = await open(path, flags | O_EXCL, mode);
    await made.chmod(mode);
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return await open(path, flags, mode);
  }
}
