import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One hierarchy of control groups: where it is mounted, and the file that holds a group's limit. */
interface Hierarchy {
  readonly mount: string;
  readonly file: string;
  /** Of the process's group. */
  readonly path: string;
}

/** Version 1 writes a limit that is none as a number of about this size. */
const NO_LIMIT = 2 ** 53;

/**
 * The memory that the process's control groups let it have, in bytes; undefined where they do not limit it. A group is
 * limited by all those above it as well. `root` is the root of the file system.
 */
export function cgroupMemoryLimit(root = "/"): number | undefined {
  const limits = hierarchies(read(join(root, "proc/self/cgroup")))
    .flatMap(({ mount, file, path }) =>
      groupsFrom(path).map((group) => limitIn(join(root, "sys/fs/cgroup", mount, group, file))),
    )
    .filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** The lines of /proc/self/cgroup are `id:controllers:path`; that of version 2 has the id 0 and names none. */
function hierarchies(text: string): Hierarchy[] {
  return text.split("\n").flatMap((line) => {
    const [, id, controllers = "", path = ""] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === "0" && controllers === "")
      // Where both versions are in use, version 2 is mounted below.
      return ["", "unified"].map((mount) => ({ mount, file: "memory.max", path }));
    if (!controllers.split(",").includes("memory")) return [];
    return [{ mount: "memory", file: "memory.limit_in_bytes", path }];
  });
}

/**
 * The group and all above it, up to the mount's root. In a container without a namespace for groups the path is that of
 * the host, and only the root is there: the container's own group.
 */
function groupsFrom(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  return [...names.keys(), names.length].map((count) => names.slice(0, count).join("/"));
}

function limitIn(path: string): number | undefined {
  const text = read(path).trim();
  const limit = /^\d+$/.test(text) ? Number(text) : NO_LIMIT;
  return limit < NO_LIMIT ? limit : undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
