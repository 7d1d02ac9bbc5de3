// SPDX-License-Identifier: Apache-2.0
import { basename, dirname, extname, join } from "node:path";

/** When a new file is begun, and how long the old ones stay. */
export interface Rotation {
  readonly bytesMax: number;
  /** 0 for ever. */
  readonly daysMax: number;
  /** 0 for all. */
  readonly backupsMax: number;
  readonly isLocalTime: boolean;
}

/** An old file. */
export interface Backup {
  readonly name: string;
  /** When it was put aside, in Unix milliseconds, as its name says. */
  readonly timeMs: number;
}

const DAY_MS = 86_400_000;
const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)\.(\d{3})$/;

/** Where a file is put aside: `metrics.json` becomes `metrics-2006-01-02T15-04-05.000.json`, as lumberjack has it. */
export function backupPath(path: string, timeMs: number, isLocalTime: boolean): string {
  const [before, after] = around(path);
  return join(dirname(path), `${before}${timeText(timeMs, isLocalTime)}${after}`);
}

/** The file's old ones among the names in its directory, the newest first. */
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

/** Those of the backups, the newest first, that the rotation does not keep. */
export function outdatedOf(backups: readonly Backup[], rotation: Rotation, nowMs: number): Backup[] {
  const { backupsMax, daysMax } = rotation;
  return backups.filter(
    ({ timeMs }, index) =>
      (backupsMax > 0 && index >= backupsMax) || (daysMax > 0 && timeMs < nowMs - daysMax * DAY_MS),
  );
}

/** What stands before and behind the time. */
function around(path: string): [before: string, after: string] {
  const extension = extname(path);
  return [`${basename(path, extension)}-`, extension];
}

function timeText(timeMs: number, isLocalTime: boolean): string {
  const time = new Date(timeMs);
  // A local time, written as if it were UTC.
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
