// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The memory of the process's control groups, in bytes. */
export interface GroupMemory {
  /** The least limit of the process's group and of the groups above it, as far as they are visible; undefined for no limit. */
  readonly limitBytes: number | undefined;
  /**
   * The memory of the process's own group that the kernel cannot take back: anonymous memory, tmpfs, file pages that
   * are not written yet, and the kernel's own memory. Undefined if the group has no limit of its own, since then the
   * kernel kills nobody for the memory of the group.
   */
  readonly heldBytes: number | undefined;
}

/** The file names and keys of one version of control groups. */
interface Version {
  readonly limit: string;
  readonly usage: string;
  /** The keys in `memory.stat` of pages of files. */
  readonly files: readonly string[];
  /** The keys in `memory.stat` of the pages of files that are not on their disk yet. */
  readonly unwritten: readonly string[];
  /** The keys in `memory.stat` of other memory that the kernel can take back. */
  readonly caches: readonly string[];
  /** The key in `memory.stat` of the least limit of all groups above; undefined if there is none. */
  readonly inherited: string | undefined;
}

/** One hierarchy of control groups: where it is mounted, and the process's group in it. */
interface Hierarchy {
  readonly version: Version;
  readonly mount: string;
  readonly path: string;
}

const V1: Version = {
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  files: ["total_inactive_file", "total_active_file"],
  unwritten: ["total_dirty", "total_writeback"],
  caches: [],
  inherited: "hierarchical_memory_limit",
};

const V2: Version = {
  limit: "memory.max",
  usage: "memory.current",
  files: ["inactive_file", "active_file"],
  unwritten: ["file_dirty", "file_writeback"],
  caches: ["slab_reclaimable"],
  inherited: undefined,
};

/** A limit of this many bytes or more counts as none. Without a limit, version 1 writes almost 2^63. */
const NO_LIMIT = 2 ** 53;

/**
 * Reads the memory of the process's control groups now; limits and usage may change while the process runs. `root` is
 * the root of the file system.
 */
export function readGroupMemory(root = "/"): GroupMemory {
  const found = hierarchies(read(join(root, "proc/self/cgroup"))).map((one) => readHierarchy(root, one));
  return {
    limitBytes: least(found.map(({ limitBytes }) => limitBytes)),
    heldBytes: found.find(({ heldBytes }) => heldBytes !== undefined)?.heldBytes,
  };
}

/** Parses /proc/self/cgroup. Its lines are `id:controllers:path`; the line of version 2 has the id 0 and no controllers. */
function hierarchies(text: string): Hierarchy[] {
  return text.split("\n").flatMap((line) => {
    const [, id, controllers = "", path = ""] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === "0" && controllers === "")
      // If both versions are in use, version 2 is mounted at `unified`.
      return ["", "unified"].map((mount) => ({ version: V2, mount, path }));
    if (!controllers.split(",").includes("memory")) return [];
    return [{ version: V1, mount: "memory", path }];
  });
}

function readHierarchy(root: string, { version, mount, path }: Hierarchy): GroupMemory {
  const groups = groupsFrom(path).map((group) => join(root, "sys/fs/cgroup", mount, group));
  const own = groups.findLast((group) => numberIn(join(group, version.usage)) !== undefined);
  const limits = groups.map((group) => limitOf(numberIn(join(group, version.limit))));
  if (own === undefined) return { limitBytes: least(limits), heldBytes: undefined };
  const stat = statOf(read(join(own, "memory.stat")));
  const inherited = version.inherited === undefined ? undefined : limitOf(stat.get(version.inherited));
  const isLimited = limits[groups.indexOf(own)] !== undefined;
  const usage = numberIn(join(own, version.usage)) ?? 0;
  return {
    limitBytes: least([...limits, inherited]),
    heldBytes: isLimited ? Math.max(0, usage - droppable(version, stat)) : undefined,
  };
}

/** The memory that the kernel can take back before it kills a process. */
function droppable({ files, unwritten, caches }: Version, stat: ReadonlyMap<string, number>): number {
  const sum = (names: readonly string[]): number =>
    names.reduce((total, name) => total + (stat.get(name) ?? 0), 0);
  return Math.max(0, sum(files) - sum(unwritten)) + sum(caches);
}

/**
 * The paths of the group and of all groups above it, from the root of the mount. In a container without a cgroup namespace
 * the path is that of the node, and only the root exists: it is the container's own group.
 */
function groupsFrom(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  return [...names.keys(), names.length].map((count) => names.slice(0, count).join("/"));
}

function statOf(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split("\n").map((line) => {
      const [name = "", value] = line.split(" ");
      return [name, Number(value)];
    }),
  );
}

function limitOf(bytes: number | undefined): number | undefined {
  return bytes !== undefined && bytes < NO_LIMIT ? bytes : undefined;
}

function least(limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The number in the file; undefined if there is no such file, or if it has another text, such as "max". */
function numberIn(path: string): number | undefined {
  const text = read(path).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // There is no such file: the node has the other version of control groups, or none.
    return "";
  }
}
