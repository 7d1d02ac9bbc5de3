// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** The longest path in a socket address: `sun_path` has 108 bytes, of which the last is NUL. */
const PATH_BYTES_MAX = 107;

/** A path that is valid until the caller disposes of it, which it must do. */
export interface ShortPath extends AsyncDisposable {
  /** The path; it leads to the socket and fits into a socket address. */
  readonly path: string;
}

/**
 * Returns a path to the socket that `connect` and `bind` accept. If the socket's own path is too long, the returned
 * path goes through a file descriptor of the socket's directory. Rejects where the directory cannot be opened.
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
