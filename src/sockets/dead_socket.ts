// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

const CONNECT_TIMEOUT_MS = 1_000;

/** Removes the socket file if no process listens on it, because the process that made it has died. */
export async function removeDeadSocket(path: string): Promise<void> {
  // A connection to a file that is no socket is refused too, and such a file must stay.
  const isSocket = await lstat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
  if (!isSocket) return;
  const socket = connect(path);
  const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const isDead = await once(socket, "connect", { signal: timeout }).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
  );
  socket.destroy();
  if (isDead) await unlink(path);
}
