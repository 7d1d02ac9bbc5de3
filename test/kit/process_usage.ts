// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** The unit of the times in /proc/<pid>/stat (USER_HZ). */
const TICKS_PER_S = 100;

/** Returns the CPU time of the process so far, user and system, in milliseconds. */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_S;
}

/** Returns the resident memory of the process in MiB: the present one, or with "VmHWM" the largest so far. */
export function residentMib(pid: number, field: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1_024;
}
