import { open } from "node:fs/promises";
import { CONFIG_BYTES_MAX } from "./yaml.ts";

/**
 * Reads a file, a pipe or a device, but not more than a config may have and one byte, by which its reader sees that
 * there is more. Rejects with what the system says.
 */
export async function readConfigFile(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const bytes = Buffer.allocUnsafe(CONFIG_BYTES_MAX + 1);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

const REASON: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOENT: "no such file",
};

/** Why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return REASON["code" in error ? String(error.code) : ""] ?? error.message;
}
