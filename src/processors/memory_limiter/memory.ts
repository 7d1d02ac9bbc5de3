// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readGroupMemory } from "./cgroup.ts";

/** The memory that the process takes and may take, in bytes. */
export interface MemoryUsage {
  /**
   * The memory that the kernel cannot take back, so that it kills the process for it. It is the process's own memory,
   * or that of its control group if the group has a limit and its memory is more. Pages of files that are on their disk
   * are not in it.
   */
  readonly heldBytes: number;
  /**
   * The part of the held memory that is in use. Node keeps most of the memory that is freed, above all that of buffers,
   * and uses it again later. So the held memory does not fall after a spike, and limits are compared with this number
   * instead.
   */
  readonly usedBytes: number;
  /** The memory that the process may have: its control groups' limit, or the machine's memory. */
  readonly availableBytes: number;
  /** The memory at which V8 ends the process: the heap's limit plus the memory that is outside the heap now. */
  readonly reachBytes: number;
}

/** Reads and frees the process's memory. Tests replace it. */
export interface Memory {
  read(): MemoryUsage;
  /**
   * Collects garbage, which takes some dozen milliseconds. A thorough collection also gives back the memory that the
   * heap keeps, and takes a tenth of a second. Returns false if this Node has no way to collect on demand.
   */
  collect(thorough: boolean): boolean;
}

/** Node's own memory in addition to heap, buffers and files. Measured in a running agent, where it is 16 to 23 MiB. */
const NATIVE_BYTES = 20 * 1024 * 1024;

type Collect = (options: { type: "major"; execution: "sync"; flavor: "regular" | "last-resort" }) => void;

let garbageCollector: Collect | undefined;

export const systemMemory: Memory = {
  read() {
    const { used_heap_size, heap_size_limit, external_memory, malloced_memory } = getHeapStatistics();
    const outsideBytes = external_memory + malloced_memory + NATIVE_BYTES;
    const inUseBytes = used_heap_size + outsideBytes;
    const status = readStatus();
    const anonymousBytes = status("RssAnon") ?? inUseBytes;
    const keptBytes = Math.max(0, anonymousBytes - inUseBytes);
    const group = readGroupMemory();
    const heldBytes = Math.max(anonymousBytes + (status("RssShmem") ?? 0), group.heldBytes ?? 0);
    return {
      heldBytes,
      usedBytes: heldBytes - keptBytes,
      availableBytes: Math.min(group.limitBytes ?? Number.POSITIVE_INFINITY, totalmem()),
      reachBytes: heap_size_limit + outsideBytes,
    };
  },
  collect(thorough) {
    try {
      garbageCollector ??= findCollector();
      garbageCollector({ type: "major", execution: "sync", flavor: thorough ? "last-resort" : "regular" });
      return true;
    } catch {
      return false;
    }
  },
};

/** Makes a context that has `gc`: only contexts that are made while the flag is set have it. */
function findCollector(): Collect {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as Collect;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

/** Reads /proc/self/status. The returned function gives a size in bytes by its name; undefined for an unknown name. */
function readStatus(): (name: string) => number | undefined {
  let text = "";
  try {
    text = readFileSync("/proc/self/status", "utf8");
  } catch {
    // Only Linux has the file. Elsewhere the size of the heap must be enough.
  }
  return (name) => {
    const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
}
