// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";

/** What the kernel says of this process, as Prometheus' Go client reports it. NaN for what cannot be read. */
export interface ProcStats {
  readonly cpuSeconds: number;
  readonly openFds: number;
  readonly maxFds: number;
  readonly virtualBytes: number;
  readonly virtualBytesMax: number;
  readonly residentBytes: number;
  /** Since the epoch. */
  readonly startTimeSeconds: number;
  /** Of the network namespace, which is all that the kernel counts. */
  readonly receivedBytes: number;
  readonly transmittedBytes: number;
}

/** USER_HZ: what the kernel tells programs, whatever its own clock does. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4_096;
/** What Go's client writes for a limit that is none. */
const UNLIMITED = 2 ** 64;

/** Reads /proc, which takes a few dozen microseconds. Never throws. */
export function readProcStats(): ProcStats {
  // The program's name stands in brackets and may have any character in it.
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
    residentBytes: field(24) * PAGE_BYTES,
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
    // One of them is this look's own.
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
