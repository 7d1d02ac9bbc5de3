// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect } from "node:net";
import { socketAdvice } from "../sockets/advice.ts";
import { CriError } from "./client.ts";

/**
 * Rejects with a `CriError` if nobody listens on the endpoint's socket. For an endpoint that is no unix socket it
 * resolves at once. Call it before gRPC connects: most of the well-known sockets do not exist on a node, and gRPC would
 * try them again and again.
 */
export async function checkSocket(endpoint: string): Promise<void> {
  const path = /^unix:\/\/(\/.*)$/s.exec(endpoint)?.[1];
  if (path === undefined) return;
  // The kernel answers at once for a unix socket, so this needs no deadline.
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException; // A socket emits no other errors.
    const advice = await socketAdvice(path, code);
    const detail = advice === undefined ? message : `${message}; ${advice.text}`;
    throw new CriError(
      `cannot reach "${endpoint}": ${detail}`,
      advice?.fault === "replaced" ? "replaced" : "unavailable",
    );
  } finally {
    socket.destroy();
  }
}
