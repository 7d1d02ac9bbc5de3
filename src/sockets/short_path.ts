// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** `sun_path` of a socket address has 108 bytes, the last of them NUL. */
const PATH_BYTES_MAX = 107;

export interface ShortPath extends AsyncDisposable {
  /** Leads to the socket and fits into a socket address. */
  readonly path: string;
}

/**
 * A path to the socket that `connect` and `bind` take, however deep it lies: through a descriptor of its directory
 * where the path is too long. It holds until it is disposed of. Rejects when the directory cannot be opened.
 */
export async function shortSocketPath(path: string): Promise<ShortPath> {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX)
    return { path, [Symbol.asyncDispose]: () => Promise.resolve() };
  const directory: FileHandle = await open(dirname(path), "r");
  return {
    path: `/proc/self/fd/${directory.fd}/${basename(path)}`,
    [Symbol.asyncDispose]: () => directory.close(),
  };
}
