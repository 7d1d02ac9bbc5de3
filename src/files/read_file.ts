// SPDX-License-Identifier: Apache-2.0
import { close, constants, fstat, open, read, type Stats } from "node:fs";
import { Socket } from "node:net";
import { isatty, ReadStream } from "node:tty";
import { promisify } from "node:util";

/** A larger file was named by mistake. A configuration may have as much. */
export const FILE_BYTES_MAX: number = 1024 * 1024;

const openAsync = promisify(open);
const closeAsync = promisify(close);
const fstatAsync: (fd: number) => Promise<Stats> = promisify(fstat);
const readAsync = promisify(read);

/** Opening a pipe that nobody writes to would otherwise hold a thread for ever, and with it the end of the process. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a file, a pipe or a device, but not more than a config may have and one byte, by which its reader sees that
 * there is more. Waits for whoever writes to a pipe. Rejects with what the system says, and when `stop` aborts.
 */
export async function readConfigFile(path: string, stop?: AbortSignal): Promise<Uint8Array> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onStop = (): void => reject(new Error("the command was told to stop"));
  stop?.addEventListener("abort", onStop, { once: true });
  if (stop?.aborted === true) onStop();
  const bytes = readWaiting(path, stop);
  bytes.catch(() => {}); // Nobody waits for it any more once the command was told to stop.
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
 * Reads a file that is read again and again. Rejects for a pipe, which gives what it has once and might keep its reader
 * waiting, for a file that is larger than a config may be, and with what the system says.
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

/** Closes the descriptor in any case. */
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

/** Why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return REASON["code" in error ? String(error.code) : ""] ?? error.message;
}
