// SPDX-License-Identifier: Apache-2.0
import { basename, dirname, extname, join } from "node:path";

/** When a new file is begun, and how long old files are kept. */
export interface Rotation {
  /** A record that would make the file larger than this begins a new file. */
  readonly bytesMax: number;
  /** The number of days after which old files are removed; 0 for never. */
  readonly daysMax: number;
  /** The most old files that are kept; 0 for no limit. */
  readonly backupsMax: number;
  /** Whether the times in the names of old files are local, not UTC. */
  readonly isLocalTime: boolean;
}

/** A file that a rotation has renamed. */
export interface Backup {
  readonly name: string;
  /** The time in the file's name, at which it was renamed, in Unix milliseconds. */
  readonly timeMs: number;
}

const DAY_MS = 86_400_000;
const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)\.(\d{3})$/;

/**
 * Returns the path to which a rotation renames a file: `metrics.json` becomes `metrics-2006-01-02T15-04-05.000.json`,
 * as in lumberjack.
 */
export function backupPath(path: string, timeMs: number, isLocalTime: boolean): string {
  const [before, after] = around(path);
  return join(dirname(path), `${before}${timeText(timeMs, isLocalTime)}${after}`);
}

/** Finds the old files of `path` among `names`, the names in its directory. The newest comes first. */
export function backupsOf(path: string, names: readonly string[], isLocalTime: boolean): Backup[] {
  const [before, after] = around(path);
  const found: Backup[] = [];
  for (const name of names) {
    if (!name.startsWith(before) || !name.endsWith(after)) continue;
    const timeMs = parseTime(name.slice(before.length, name.length - after.length), isLocalTime);
    if (timeMs !== undefined) found.push({ name, timeMs });
  }
  return found.sort((one, other) => other.timeMs - one.timeMs);
}

/** Returns the backups that the rotation does not keep. The newest of `backups` must come first. */
export function outdatedOf(backups: readonly Backup[], rotation: Rotation, nowMs: number): Backup[] {
  const { backupsMax, daysMax } = rotation;
  return backups.filter(
    ({ timeMs }, index) =>
      (backupsMax > 0 && index >= backupsMax) || (daysMax > 0 && timeMs < nowMs - daysMax * DAY_MS),
  );
}

/** Returns the parts of a backup's name before and behind the time. */
function around(path: string): [before: string, after: string] {
  const extension = extname(path);
  return [`${basename(path, extension)}-`, extension];
}

function timeText(timeMs: number, isLocalTime: boolean): string {
  const time = new Date(timeMs);
  // The local time is written as if it were UTC.
  const shown = isLocalTime ? new Date(timeMs - time.getTimezoneOffset() * 60_000) : time;
  return shown.toISOString().slice(0, 23).replaceAll(":", "-");
}

function parseTime(text: string, isLocalTime: boolean): number | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0] = match.slice(1).map(Number);
  return isLocalTime
    ? new Date(year, month - 1, day, hour, minute, second, ms).getTime()
    : Date.UTC(year, month - 1, day, hour, minute, second, ms);
}
