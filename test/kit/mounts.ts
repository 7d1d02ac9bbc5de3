// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasProgram } from "./peers.ts";

/** A mounted file system, which `close` unmounts. */
export interface Mount {
  readonly path: string;
  /** Runs `mount -o remount,…` on it. */
  remount(options: string): void;
  close(): void;
}

/** Returns what is missing here for mounting; undefined where mounts can be made. */
export function lacksMounts(): string | undefined {
  if (process.getuid?.() !== 0) return "root";
  const path = mkdtempSync(join(tmpdir(), "mount-"));
  const made = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", path]).status === 0;
  if (made) spawnSync("umount", [path]);
  rmSync(path, { recursive: true });
  return made ? undefined : "the right to mount";
}

/** Like `lacksMounts`, for a file system that an error turns read-only while a file is open. */
export function lacksFailingMounts(): string | undefined {
  const lacking = lacksMounts();
  if (lacking !== undefined) return lacking;
  if (!hasProgram("mkfs.ext4", "-V")) return "mkfs.ext4";
  try {
    mountExt4().close();
    return undefined;
  } catch {
    return "loop devices";
  }
}

/** Runs the command to its end. Throws its error output where it fails. */
export function command(name: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot run ${name} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

export function mountTmpfs(bytes: number): Mount {
  const path = mkdtempSync(join(tmpdir(), "tmpfs-"));
  command("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "none", path);
  return mountAt(path, () => {});
}

const EXT4_SIZE = "48M";

/** Mounts a file system that is in a file. After `remount("abort")` it refuses writes, as after an error of its disk. */
export function mountExt4(): Mount {
  const folder = mkdtempSync(join(tmpdir(), "ext4-"));
  const image = join(folder, "image");
  const path = join(folder, "mounted");
  command("mkdir", path);
  command("truncate", "-s", EXT4_SIZE, image);
  command("mkfs.ext4", "-q", "-m", "0", image);
  const remove = (): void => rmSync(folder, { recursive: true });
  try {
    command("mount", "-o", "loop", image, path);
  } catch (error) {
    remove();
    throw error;
  }
  return mountAt(path, remove);
}

function mountAt(path: string, remove: () => void): Mount {
  return {
    path,
    remount: (options) => command("mount", "-o", `remount,${options}`, path),
    close() {
      // A process that still has a file open there must not prevent the unmounting.
      command("umount", "--lazy", path);
      rmSync(path, { recursive: true });
      remove();
    },
  };
}
