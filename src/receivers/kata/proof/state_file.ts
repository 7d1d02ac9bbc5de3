// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { readStateText, type StateText } from "./state_text.ts";

/** A real state.json has a few KiB. */
const STATE_BYTES_MAX = 256 * 1024;

/** The shim writes state.json in place, so that a reader may meet a part of it. Not for longer than this. */
const WRITING_MS_MAX = 5_000;

/** Two changes within one tick of the kernel's clock, at most 10 ms, leave the same times. */
const SETTLED_MS = 1_000;

/** What a state.json says of its hypervisor now; `older` is one that a sandbox before this one left. */
export type StateReading = StateText | { readonly kind: "absent" | "older" | "writing" };

interface ReadState {
  readonly stat: Stats;
  readonly text: StateText;
}

/**
 * The state.json beside one socket. Both are dated by their mtime: for a socket that is when it was bound, and unlike
 * ctime it stays when somebody changes owner, mode or label. Times are Unix milliseconds.
 */
export class StateFile {
  readonly #path: string;
  readonly #socket: Stats;
  /** What was there when the socket was first seen, if it is not known to have been written after it. */
  readonly #older: Stats | undefined;
  #read: ReadState | undefined;

  /** `stat` is that of the file, undefined where there is none, when the socket was first seen. */
  constructor(path: string, socket: Stats, { stat, nowMs }: { stat: Stats | undefined; nowMs: number }) {
    this.#path = path;
    this.#socket = socket;
    this.#older = stat !== undefined && !isWrittenAfter(stat, socket, nowMs) ? stat : undefined;
  }

  /** What the file says, whose `stat` is given. Reads it where it has changed. Throws where it cannot be read. */
  reading(stat: Stats | undefined, nowMs: number): StateReading {
    if (stat === undefined) return { kind: "absent" };
    if (!stat.isFile()) return { kind: "doubtful", reason: "is no file" };
    if (this.#isOlder(stat)) return { kind: "older" };
    const text = this.#textOf(stat, nowMs);
    const isRecent = Math.abs(nowMs - stat.mtimeMs) < WRITING_MS_MAX;
    return text === undefined || (text.kind === "unnamed" && isRecent) ? { kind: "writing" } : text;
  }

  #isOlder(stat: Stats): boolean {
    if (this.#older !== undefined && isSameContent(stat, this.#older)) return true;
    // It came, or changed, while the socket was there. Where even its ctime is earlier, the clock was set back.
    return stat.mtimeMs < this.#socket.mtimeMs && stat.ctimeMs >= this.#socket.ctimeMs;
  }

  #textOf(stat: Stats, nowMs: number): StateText | undefined {
    const before = this.#read;
    if (before !== undefined && isUnchanged(before.stat, stat)) return before.text;
    const text = readFileText(this.#path, stat);
    // What changes again within a tick looks unchanged: such a file is read again at the next look.
    const isSettled = text !== undefined && nowMs - stat.ctimeMs > SETTLED_MS;
    this.#read = isSettled ? { stat, text } : undefined;
    return text;
  }
}

/**
 * Whether the file was written when the socket had been bound, as far as one look can tell. A file that is dated later
 * than now, beside a socket that is not, may have been written before the clock was set back and the socket bound.
 */
function isWrittenAfter(file: Stats, socket: Stats, nowMs: number): boolean {
  const isLater = ({ mtimeMs }: Stats): boolean => mtimeMs > nowMs + 1; // now is in whole milliseconds
  return file.mtimeMs >= socket.mtimeMs && (!isLater(file) || isLater(socket));
}

/** Whether both are of one content: a change of owner, mode, label or name is none. */
function isSameContent(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.size === other.size && one.mtimeMs === other.mtimeMs;
}

function isUnchanged(one: Stats, other: Stats): boolean {
  return isSameContent(one, other) && one.ctimeMs === other.ctimeMs && one.dev === other.dev;
}

/**
 * Reads a bounded number of bytes, follows no link and waits for no writer, whatever has taken the file's place.
 * Undefined where the file is not the one of `stat` any more.
 */
function readFileText(path: string, stat: Stats): StateText | undefined {
  if (stat.size > STATE_BYTES_MAX) return { kind: "doubtful", reason: `has over ${STATE_BYTES_MAX} bytes` };
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(stat.size + 1);
    const length = readSync(file, bytes);
    const isWhole = length === stat.size && isUnchanged(fstatSync(file), stat);
    return isWhole ? readStateText(bytes.toString("utf8", 0, length)) : undefined;
  } finally {
    closeSync(file);
  }
}
