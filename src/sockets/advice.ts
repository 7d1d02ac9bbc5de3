// SPDX-License-Identifier: Apache-2.0
import { stat } from "node:fs/promises";

/** Why nobody can connect to a socket, and what to change. */
export interface SocketAdvice {
  readonly fault: "replaced" | "no_right";
  readonly text: string;
}

/**
 * The container has the socket's file mounted, not its directory. The server has replaced the file on the node, and the
 * mounted file has no name on the node any more.
 */
const REPLACED: SocketAdvice = {
  fault: "replaced",
  text: "the socket's file was replaced on the node; mount its directory, not the file",
};

const NO_RIGHT: SocketAdvice = {
  fault: "no_right",
  text: "run the agent as uid 0 or with CAP_DAC_OVERRIDE, and where SELinux is enforced with the type spc_t",
};

/** Explains why a connection to the socket at `path` failed with `code`; undefined where the code alone says enough. */
export async function socketAdvice(
  path: string,
  code: string | undefined,
): Promise<SocketAdvice | undefined> {
  if (code === "EACCES" || code === "EPERM") return NO_RIGHT;
  if (code !== "ECONNREFUSED") return undefined;
  const file = await stat(path).catch(() => undefined);
  return file?.nlink === 0 ? REPLACED : undefined;
}
