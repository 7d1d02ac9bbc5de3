// SPDX-License-Identifier: Apache-2.0
import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { systemClock } from "../clock/clock.ts";
import { LineOutput, type WriteBytes } from "./line_output.ts";

export const STDOUT = 1;
export const STDERR = 2;

const standard = new Map<number, LineOutput>();

/**
 * The process's output to its descriptor 1 or 2: there is one, so that whoever writes to it does not write into the middle
 * of another's line. `unblock` as for `writerTo`, at the first call.
 */
export function standardOutput(fd: typeof STDOUT | typeof STDERR, unblock?: () => void): LineOutput {
  const output = standard.get(fd) ?? new LineOutput(writerTo(fd, unblock), systemClock);
  standard.set(fd, output);
  return output;
}

/**
 * Writes to an open descriptor in such a way that a reader who does not read stops nobody: to a pipe, a terminal or a
 * socket without blocking, to a file in another thread. `unblock` is called where only the descriptor itself will do, and
 * makes it non-blocking for every process that shares it.
 */
export function writerTo(fd: number, unblock: () => void = () => {}): WriteBytes {
  if (fstatSync(fd).isFile()) return inThread(fd);
  const own = reopened(fd);
  if (own === undefined) unblock();
  return (bytes) => writeSync(own ?? fd, bytes);
}

/** Another description of the same pipe or terminal, whose flags are ours alone; there is none of a socket. */
function reopened(fd: number): number | undefined {
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined; // a socket, or a pipe of another user
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
