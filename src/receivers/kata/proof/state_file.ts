// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { readStateText, type StateText } from "./state_text.ts";

/** The largest state.json that is read; a larger one proves nothing. A real one has a few KiB. */
const STATE_BYTES_MAX = 256 * 1024;

/** The shim writes state.json in place, so a reader may find a part of it, but for no longer than this. */
const WRITING_MS_MAX = 5_000;

/**
 * A state.json that changed less than this ago is read again at the next look, because two changes within one tick of
 * the kernel's clock (at most 10 ms) leave the same times.
 */
const STABLE_MS = 1_000;

/** The hypervisor that a state.json names now, or why it names none. An `older` file is left over from an earlier sandbox. */
export type StateReading = StateText | { readonly kind: "absent" | "older" | "writing" };

/** The last text that was read from the file, and the file's status at that time. */
interface ReadState {
  readonly stat: Stats;
  readonly text: StateText;
}

/**
 * The state.json that belongs to one socket. The state.json and the socket are dated by their mtime. A socket's mtime
 * is the time when it was bound, and unlike the ctime it does not change with owner, mode or label. Times are Unix
 * milliseconds.
 */
export class StateFile {
  readonly #path: string;
  readonly #socket: Stats;
  /** The file that existed when the socket was first seen, unless it is known to have been written after the socket. */
  readonly #older: Stats | undefined;
  #read: ReadState | undefined;

  /** `stat` is the status of the state.json when the socket was first seen; undefined if there was no state.json. */
  constructor(path: string, socket: Stats, { stat, nowMs }: { stat: Stats | undefined; nowMs: number }) {
    this.#path = path;
    this.#socket = socket;
    this.#older = stat !== undefined && !isWrittenAfter(stat, socket, nowMs) ? stat : undefined;
  }

  /** Returns what the file with this `stat` says. Reads it if it has changed. Throws if it cannot be read. */
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
    // The file was made or changed while the socket existed. If even its ctime is earlier than the socket's, the clock
    // was set back, and the mtime says nothing.
    return stat.mtimeMs < this.#socket.mtimeMs && stat.ctimeMs >= this.#socket.ctimeMs;
  }

  #textOf(stat: Stats, nowMs: number): StateText | undefined {
    const before = this.#read;
    if (before !== undefined && isUnchanged(before.stat, stat)) return before.text;
    const text = readFileText(this.#path, stat);
    // A file that changes again within a tick looks unchanged, so a file that changed lately is read at the next look, too.
    const isStable = text !== undefined && nowMs - stat.ctimeMs > STABLE_MS;
    this.#read = isStable ? { stat, text } : undefined;
    return text;
  }
}

/**
 * Returns whether the file was written after the socket was bound, as far as one look can tell. If the file is dated later
 * than now and the socket is not, the file may have been written before the clock was set back and the socket was bound.
 */
function isWrittenAfter(file: Stats, socket: Stats, nowMs: number): boolean {
  const isLater = ({ mtimeMs }: Stats): boolean => mtimeMs > nowMs + 1; // `nowMs` lacks fractions of a millisecond
  return file.mtimeMs >= socket.mtimeMs && (!isLater(file) || isLater(socket));
}

/** Returns whether the content is the same; owner, mode, label and name do not count. */
function isSameContent(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.size === other.size && one.mtimeMs === other.mtimeMs;
}

function isUnchanged(one: Stats, other: Stats): boolean {
  return isSameContent(one, other) && one.ctimeMs === other.ctimeMs && one.dev === other.dev;
}

/**
 * Reads the file. Reads a bounded number of bytes, follows no link and waits for no writer, whatever is at the path
 * now. Returns undefined if another file is at the path, or if the file has changed since `stat`.
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
