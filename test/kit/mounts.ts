// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasProgram } from "./peers.ts";

/** A file system of its own, for as long as somebody has it. */
export interface Mount {
  readonly path: string;
  /** Runs `mount -o remount,…` on it. */
  remount(options: string): void;
  close(): void;
}

/** Why mounts cannot be made here; undefined where they can. */
export function lacksMounts(): string | undefined {
  if (process.getuid?.() !== 0) return "root";
  const path = mkdtempSync(join(tmpdir(), "mount-"));
  const made = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", path]).status === 0;
  if (made) spawnSync("umount", [path]);
  rmSync(path, { recursive: true });
  return made ? undefined : "the right to mount";
}

/** As `lacksMounts`, of the kind of file system that an error can make read-only under an open file. */
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

/** Runs the command to its end. Throws what it had to say where it fails. */
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

/** A file system in a file. After `remount("abort")` it takes no writes any more, as after an error of its disk. */
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
      // Whoever still has a file open there must not keep the machine from being tidied up.
      command("umount", "--lazy", path);
      rmSync(path, { recursive: true });
      remove();
    },
  };
}
