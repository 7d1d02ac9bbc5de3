// SPDX-License-Identifier: Apache-2.0
import { close, constants, fstat, open, read, type Stats } from "node:fs";
import { Socket } from "node:net";
import { isatty, ReadStream } from "node:tty";
import { promisify } from "node:util";

/** The largest file that is read, in bytes. A larger one was probably named by mistake. */
export const FILE_BYTES_MAX: number = 1024 * 1024;

const openAsync = promisify(open);
const closeAsync = promisify(close);
const fstatAsync: (fd: number) => Promise<Stats> = promisify(fstat);
const readAsync = promisify(read);

/** Without O_NONBLOCK, opening a pipe without a writer would block a thread for ever, and the process could not end. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a file, a pipe or a device. Reads at most `FILE_BYTES_MAX` + 1 bytes, so that the caller can see that a file is too
 * large. Waits for the writer of a pipe. Rejects with the system's error, and when `stop` aborts.
 */
export async function readConfigFile(path: string, stop?: AbortSignal): Promise<Uint8Array> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onStop = (): void => reject(new Error("the command was told to stop"));
  stop?.addEventListener("abort", onStop, { once: true });
  if (stop?.aborted === true) onStop();
  const bytes = readWaiting(path, stop);
  bytes.catch(() => {}); // After `stop` nobody waits for `bytes`, so its rejection must be handled here.
  return await Promise.race([stopped, bytes]).finally(() => stop?.removeEventListener("abort", onStop));
}

async function readWaiting(path: string, stop: AbortSignal | undefined): Promise<Uint8Array> {
  const fd = await openAsync(path, FLAGS);
  if (isatty(fd)) return await readStream(new ReadStream(fd), stop);
  if ((await fstatAsync(fd)).isFIFO())
    return await readStream(new Socket({ fd, readable: true, writable: false }), stop);
  return await readToEnd(fd);
}

/**
 * Reads a file that will be read again later. Rejects with the system's error, for a file of more than `FILE_BYTES_MAX` bytes, and
 * for a pipe or terminal, whose contents can be read only once.
 */
export async function readSteadyFile(path: string): Promise<Uint8Array> {
  const fd = await openAsync(path, FLAGS);
  const stat = await fstatAsync(fd);
  if (stat.isFIFO() || isatty(fd)) {
    await closeAsync(fd);
    throw new Error("it is a pipe or a terminal, which cannot be read again; name a file");
  }
  const bytes = await readToEnd(fd);
  if (bytes.length > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
  return bytes;
}

/** Reads at most `FILE_BYTES_MAX` + 1 bytes. Always closes the descriptor. */
async function readToEnd(fd: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(FILE_BYTES_MAX + 1);
  let filled = 0;
  try {
    while (filled < bytes.length) {
      const { bytesRead } = await readAsync(fd, bytes, filled, bytes.length - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
  } finally {
    await closeAsync(fd);
  }
  return bytes.subarray(0, filled);
}

async function readStream(stream: Socket, stop: AbortSignal | undefined): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  const cut = (): void => void stream.destroy();
  stop?.addEventListener("abort", cut, { once: true });
  if (stop?.aborted === true) cut();
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer); // without an encoding, a stream gives buffers
    length += (chunk as Buffer).length;
    if (length > FILE_BYTES_MAX) break;
  }
  return Buffer.concat(chunks, Math.min(length, FILE_BYTES_MAX + 1));
}

const REASON: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOENT: "no such file",
};

/** Returns why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return REASON["code" in error ? String(error.code) : ""] ?? error.message;
}
