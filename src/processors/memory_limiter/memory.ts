// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readGroupMemory } from "./cgroup.ts";

/** What the process takes and may take, in bytes. */
export interface MemoryUsage {
  /**
   * What the kernel cannot drop, and therefore kills for: of the process, or of its control group where that has a limit.
   * Pages of files that are on their disk are not in it: the kernel takes them back when it needs them.
   */
  readonly heldBytes: number;
  /**
   * Of it, what is in use. Node keeps most of what is freed, above all that of buffers: after one spike the memory that is
   * held stays where it was, and what comes next goes into it. So it is this number that a limit must hold down.
   */
  readonly usedBytes: number;
  /** What the process may have: its control groups' limit, or the machine's memory. */
  readonly availableBytes: number;
  /** At how much V8 ends the process: the heap's limit, and what lies outside the heap now. */
  readonly reachBytes: number;
}

/** The process's memory; tests have another. */
export interface Memory {
  read(): MemoryUsage;
  /**
   * Collects garbage before it goes on, some dozen milliseconds; `thorough` also gives back what the heap keeps, and takes
   * a tenth of a second. False where this Node cannot be told to.
   */
  collect(thorough: boolean): boolean;
}

/** What Node keeps beside heap, buffers and files; measured with the agent at work, where it is 16 to 23 MiB. */
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

/** `gc` is there only in contexts that are made while the flag is set. */
function findCollector(): Collect {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as Collect;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

/** The sizes of /proc/self/status, in bytes; undefined where the kernel does not say. */
function readStatus(): (name: string) => number | undefined {
  let text = "";
  try {
    text = readFileSync("/proc/self/status", "utf8");
  } catch {
    // Not Linux: the heap must do.
  }
  return (name) => {
    const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
}
