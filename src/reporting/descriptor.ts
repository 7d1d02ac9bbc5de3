// SPDX-License-Identifier: Apache-2.0
import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { systemClock } from "../clock/clock.ts";
import { LineOutput, type WriteBytes } from "./line_output.ts";

export const STDOUT = 1;
export const STDERR = 2;

const standard = new Map<number, LineOutput>();

/**
 * Returns the process's output to descriptor 1 or 2. There is one output for each descriptor, so that no writer writes
 * into the middle of another's line. `unblock` is passed to `writerTo` by the first call.
 */
export function standardOutput(fd: typeof STDOUT | typeof STDERR, unblock?: () => void): LineOutput {
  const output = standard.get(fd) ?? new LineOutput(writerTo(fd, unblock), systemClock);
  standard.set(fd, output);
  return output;
}

/**
 * Returns a function that writes to an open descriptor and never blocks, even if nobody reads: a pipe, terminal or socket is
 * non-blocking, and a file is written in another thread.
 *
 * `unblock` must make the descriptor itself non-blocking, which also affects every other process that shares it. It is called
 * only if the descriptor cannot be opened again, as for a socket.
 */
export function writerTo(fd: number, unblock: () => void = () => {}): WriteBytes {
  if (fstatSync(fd).isFile()) return inThread(fd);
  const own = reopened(fd);
  if (own === undefined) unblock();
  return (bytes) => writeSync(own ?? fd, bytes);
}

/**
 * Opens the descriptor's pipe or terminal once more, so that the flags of the new descriptor belong to this process
 * only. Undefined if that is not possible.
 */
function reopened(fd: number): number | undefined {
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined; // The descriptor is a socket, or a pipe of another user.
  }
}

function inThread(fd: number): WriteBytes {
  return (bytes) =>
    new Promise((resolve, reject) => {
      write(fd, bytes, (error, written) => {
        if (error === null) resolve(written);
        else reject(error);
      });
    });
}
