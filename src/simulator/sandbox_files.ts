// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { NumberStyle } from "./number_text.ts";

const HOUR_MS = 3_600_000;
/**
 * How many milliseconds to wait between two tries to give a file a later time. The kernel's file times advance in steps
 * of at most 10 ms.
 */
const FILE_TIME_STEP_MS = 5;

/** Makes a sandbox's directory with the mode that its runtime uses. Rejects if it exists already. */
export async function makeSandboxDirectory(directory: string, flavor: NumberStyle): Promise<void> {
  try {
    await mkdir(directory, { mode: flavor === "go" ? 0o700 : 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(
      `cannot add sandbox: directory "${directory}" exists; remove what another simulator has left there, or choose another seed`,
    );
  }
}

/** Writes the file that the Go runtime writes before the guest boots. */
export async function writePersist(directory: string): Promise<void> {
  await writeFile(join(directory, "persist.json"), "{}", { mode: 0o600 });
}

/** Writes the file that runtime-rs writes when the guest has booted. */
export async function writeState(directory: string, id: string, hypervisor: string): Promise<void> {
  const state = { sandbox_type: "virtcontainer", hypervisor: { hypervisor_type: hypervisor, id } };
  await writeFile(join(directory, "state.json"), JSON.stringify(state));
}

/** Makes the file an hour older. */
export async function age(path: string): Promise<void> {
  const { atimeMs, mtimeMs } = await stat(path);
  await utimes(path, (atimeMs - HOUR_MS) / 1_000, (mtimeMs - HOUR_MS) / 1_000);
}

/**
 * Sets the mode of the file at `path` to what it is already, again and again, until the file's ctime is later than that
 * of the file at `other`.
 */
export async function outlive(path: string, other: string): Promise<void> {
  const { mode } = await stat(path);
  for (;;) {
    const [later, earlier] = await Promise.all([stat(path), stat(other)]);
    if (later.ctimeMs > earlier.ctimeMs) return;
    await delay(FILE_TIME_STEP_MS);
    await chmod(path, mode);
  }
}
