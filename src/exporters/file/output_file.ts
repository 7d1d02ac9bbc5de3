// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import { ensureDirectory, openOrCreate } from "../../files/create.ts";
import type { Framing } from "./framing.ts";
import { backupPath, backupsOf, outdatedOf, type Rotation } from "./rotation.ts";

/** Where and how the file is written. */
export interface OutputFileOptions {
  readonly path: string;
  readonly framing: Framing;
  /** Whether the file keeps the content that it has when it is opened first. Otherwise it is emptied. */
  readonly keep: boolean;
  /** The mode with which missing directories are made; undefined if none are made. */
  readonly directoryMode: number | undefined;
  /** The mode with which the file is made if it is missing. */
  readonly fileMode: number;
  readonly rotation: Rotation | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An open file. */
interface Opened {
  readonly handle: FileHandle;
  /** The offset of a record whose writing failed, until its written part is cut off; otherwise undefined. */
  torn: number | undefined;
}

/**
 * A file of whole records. If a write fails, the part that was written is removed. If the process dies during a write,
 * the part is removed when the file is next opened. If somebody moves or removes the file, a new one is begun.
 */
export class OutputFile {
  readonly #options: OutputFileOptions;
  #keep: boolean;
  #opened: Opened | undefined;
  /** Resolves when all earlier calls have ended. Each call waits for it, so that only one uses the file at a time. */
  #idle: Promise<void> = Promise.resolve();

  constructor(options: OutputFileOptions) {
    this.#options = options;
    this.#keep = options.keep;
  }

  /** Opens the file. Rejects with an error of the file system, or with the reason why the file must not be changed. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#open();
      await this.#removeOutdated();
    });
  }

  /**
   * Appends a record. Rejects with errors of the file system, or if the signal aborts before all of the record is
   * written. The part that was written is then cut off, at the latest before the next record or at the next start. If a
   * write hangs, the call waits for it.
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
        await cutTorn(opened).catch(() => {}); // If this fails, the next record or the next start cuts it off.
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

  /**
   * Returns the open file for a record of `bytes` bytes. Begins a new file if this one would exceed the rotation's
   * limit.
   */
  async #ready(bytes: number): Promise<Opened> {
    const { path, rotation, logger } = this.#options;
    if (this.#opened !== undefined && !(await isAt(this.#opened.handle, path))) {
      logger.info({ path }, "The file was moved or removed; going on with another one.");
      await this.#close();
    }
    let opened = this.#opened ?? (await this.#open());
    await cutTorn(opened);
    if (rotation === undefined) return opened;
    const { size } = await opened.handle.stat();
    if (size === 0 || size + bytes <= rotation.bytesMax) return opened;
    await this.#rename(rotation);
    opened = await this.#open();
    await this.#removeOutdated();
    return opened;
  }

  async #open(): Promise<Opened> {
    const { path, directoryMode, fileMode, framing, logger } = this.#options;
    if (directoryMode !== undefined) await ensureDirectory(dirname(path), directoryMode);
    // A device or a pipe is refused before it is opened: it cannot be truncated, and opening it may have effects.
    if ((await statOf(path))?.isFile() === false) throw new Error("it is not a regular file");
    // The file is opened to append, so that records go to its end whatever other programs do, and to read, to find its
    // last record.
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
    await cutTorn(opened).catch(() => {});
    await opened.handle.close();
  }

  /** Gives the file the name of a backup that does not exist yet. */
  async #rename({ isLocalTime }: Rotation): Promise<void> {
    const { path, clock, logger } = this.#options;
    let timeMs = clock.nowMs();
    let backup = backupPath(path, timeMs, isLocalTime);
    while ((await statOf(backup)) !== undefined) backup = backupPath(path, ++timeMs, isLocalTime);
    await rename(path, backup);
    await this.#close();
    logger.info({ path, backup }, "The file was renamed; going on with a new one.");
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

/** Cuts off the part that was written of a record whose writing failed. */
async function cutTorn(opened: Opened): Promise<void> {
  const { handle, torn } = opened;
  if (torn === undefined) return;
  // If somebody has truncated the file meanwhile, the part is not in it any more.
  if ((await handle.stat()).size > torn) await handle.truncate(torn);
  opened.torn = undefined;
}

/** Writes all bytes. A file system that is almost full first writes a part, and the next write fails. */
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

/** Like `stat`, but returns undefined if there is no file at the path. */
async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
