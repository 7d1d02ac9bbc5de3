// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";

/**
 * The kernel's figures about this process, the same as those of Prometheus' Go client. A figure that cannot be read is
 * NaN.
 */
export interface ProcStats {
  readonly cpuSeconds: number;
  readonly openFds: number;
  readonly maxFds: number;
  readonly virtualBytes: number;
  readonly virtualBytesMax: number;
  readonly residentBytes: number;
  /** When the process started, in seconds since the epoch. */
  readonly startTimeSeconds: number;
  /** Bytes that the whole network namespace received: the kernel does not count them per process. */
  readonly receivedBytes: number;
  /** Bytes that the whole network namespace sent: the kernel does not count them per process. */
  readonly transmittedBytes: number;
}

/** USER_HZ, the unit of times in /proc, which is fixed whatever the kernel's own clock does. */
const TICKS_PER_S = 100;
/** The value that Go's client writes for "unlimited". */
const UNLIMITED = 2 ** 64;

/** Reads /proc, which takes a few dozen microseconds. Never throws. */
export function readProcStats(): ProcStats {
  // The second field is the program's name in brackets, which may contain any character.
  const stat = read("self/stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => toNumber(fields[number - 3]);
  const limits = read("self/limits");
  const bootSeconds = toNumber(/^btime (\d+)$/m.exec(read("stat"))?.[1]);
  const [receivedBytes, transmittedBytes] = networkBytes();
  return {
    cpuSeconds: (field(14) + field(15)) / TICKS_PER_S,
    openFds: openFds(),
    maxFds: limitOf(limits, "Max open files"),
    virtualBytes: field(23),
    virtualBytesMax: limitOf(limits, "Max address space"),
    // In kibibytes, and not in pages as in "stat", whose size depends on the machine.
    residentBytes: toNumber(/^VmRSS:\s+(\d+) kB$/m.exec(read("self/status"))?.[1]) * 1_024,
    startTimeSeconds: bootSeconds + field(22) / TICKS_PER_S,
    receivedBytes,
    transmittedBytes,
  };
}

function networkBytes(): [received: number, transmitted: number] {
  const [names = [], values = []] = read("self/net/netstat")
    .split("\n")
    .filter((line) => line.startsWith("IpExt:"))
    .map((line) => line.split(" "));
  const value = (name: string): number => toNumber(values[names.indexOf(name)]);
  return [value("InOctets"), value("OutOctets")];
}

function limitOf(limits: string, name: string): number {
  const soft = limits
    .split("\n")
    .find((line) => line.startsWith(name))
    ?.slice(name.length)
    .trim()
    .split(" ", 1)[0];
  return soft === "unlimited" ? UNLIMITED : toNumber(soft);
}

function openFds(): number {
  try {
    // Reading the directory opens a descriptor, which is in the list but does not count.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return Number.NaN;
  }
}

function read(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, "utf8");
  } catch {
    return "";
  }
}

function toNumber(text: string | undefined): number {
  return text === undefined || text === "" ? Number.NaN : Number(text);
}
