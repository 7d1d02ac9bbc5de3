// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** Of /proc/<pid>/stat: USER_HZ. */
const TICKS_PER_S = 100;

/** What the process has used so far, user and system, in milliseconds. */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_S;
}

/** Resident memory of the process in MiB: now, or the most that it ever was. */
export function residentMib(pid: number, field: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1_024;
}
