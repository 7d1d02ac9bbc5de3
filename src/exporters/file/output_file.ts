// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import { ensureDirectory, openOrCreate } from "../../files/create.ts";
import type { Framing } from "./framing.ts";
import { backupPath, backupsOf, outdatedOf, type Rotation } from "./rotation.ts";

export interface OutputFileOptions {
  readonly path: string;
  readonly framing: Framing;
  /** Whether what is in the file before the first record stays there. */
  readonly keep: boolean;
  /** Missing directories are made with it; undefined leaves that to others. */
  readonly directoryMode: number | undefined;
  /** Of files that are made. */
  readonly fileMode: number;
  readonly rotation: Rotation | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The file while it is open. */
interface Opened {
  readonly handle: FileHandle;
  /** Where a record that failed begins, while what was written of it is still there. */
  torn: number | undefined;
}

/**
 * A file that holds whole records: one that fails leaves nothing behind, and what a death of the process left of one is
 * cut off when the file is opened again. A file that somebody has moved or removed is left alone, and another one begun.
 */
export class OutputFile {
  readonly #options: OutputFileOptions;
  #keep: boolean;
  #opened: Opened | undefined;
  /** When all that was asked for so far is done. */
  #idle: Promise<void> = Promise.resolve();

  constructor(options: OutputFileOptions) {
    this.#options = options;
    this.#keep = options.keep;
  }

  /** Rejects with what the file system says, or with why the file may not be written to. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#open();
      await this.#removeOutdated();
    });
  }

  /**
   * Writes a record at the end of the file. Rejects with what the file system says, or when the signal has aborted
   * before all of it was written; nothing of the record is in the file then. A write that hangs is waited for.
   */
  append(record: Uint8Array, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      signal.throwIfAborted();
      const opened = await this.#ready(record.length);
      const { size } = await opened.handle.stat();
      try {
        await writeWhole(opened.handle, record);
        signal.throwIfAborted();
      } catch (error) {
        opened.torn = size;
        await mend(opened).catch(() => {}); // The next record tries again; at the latest the next start does.
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#idle.then(work);
    this.#idle = done.catch(() => {});
    return done;
  }

  /** The file at the path, with room for so many bytes and without the remains of a record. */
  async #ready(bytes: number): Promise<Opened> {
    const { path, rotation, logger } = this.#options;
    if (this.#opened !== undefined && !(await isAt(this.#opened.handle, path))) {
      logger.info({ path }, "The file was moved or removed; going on with another one.");
      await this.#close();
    }
    let opened = this.#opened ?? (await this.#open());
    await mend(opened);
    if (rotation === undefined) return opened;
    const { size } = await opened.handle.stat();
    if (size === 0 || size + bytes <= rotation.bytesMax) return opened;
    await this.#putAside(rotation);
    opened = await this.#open();
    await this.#removeOutdated();
    return opened;
  }

  async #open(): Promise<Opened> {
    const { path, directoryMode, fileMode, framing, logger } = this.#options;
    if (directoryMode !== undefined) await ensureDirectory(dirname(path), directoryMode);
    // A device or a pipe takes nothing back, and opening one may do something.
    if ((await statOf(path))?.isFile() === false) throw new Error("it is not a regular file");
    // Whatever others do to the file, a record goes to its end; reading is for the repair.
    const handle = await openOrCreate(path, fileMode);
    try {
      if (!this.#keep) await handle.truncate(0);
      const { size } = await handle.stat();
      const end = await framing.wholeEnd((position, length) => readAt(handle, position, length), size);
      if (end < size) {
        await handle.truncate(end);
        logger.warn(
          { path, bytes: size - end },
          "The file ended in an unfinished record, which was cut off.",
        );
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#keep = true;
    this.#opened = { handle, torn: undefined };
    return this.#opened;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    await mend(opened).catch(() => {});
    await opened.handle.close();
  }

  /** Gives the file another name, which nobody has. */
  async #putAside({ isLocalTime }: Rotation): Promise<void> {
    const { path, clock, logger } = this.#options;
    let timeMs = clock.nowMs();
    let backup = backupPath(path, timeMs, isLocalTime);
    while ((await statOf(backup)) !== undefined) backup = backupPath(path, ++timeMs, isLocalTime);
    await rename(path, backup);
    await this.#close();
    logger.info({ path, backup }, "The file was put aside; going on with a new one.");
  }

  async #removeOutdated(): Promise<void> {
    const { path, rotation, clock, logger } = this.#options;
    if (rotation === undefined) return;
    const directory = dirname(path);
    try {
      const backups = backupsOf(path, await readdir(directory), rotation.isLocalTime);
      for (const { name } of outdatedOf(backups, rotation, clock.nowMs())) await rm(join(directory, name));
    } catch (error) {
      logger.warn({ path, error: String(error) }, "Old files cannot be removed.");
    }
  }
}

/** Takes away what is left of a record that failed. */
async function mend(opened: Opened): Promise<void> {
  const { handle, torn } = opened;
  if (torn === undefined) return;
  // Whoever has emptied the file meanwhile has taken it away.
  if ((await handle.stat()).size > torn) await handle.truncate(torn);
  opened.torn = undefined;
}

/** A file system that fills up takes a part, and refuses only the rest. */
async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(bytes, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const [mine, there] = await Promise.all([handle.stat(), statOf(path)]);
  return there?.ino === mine.ino && there.dev === mine.dev;
}

/** Undefined where there is nothing. */
async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
