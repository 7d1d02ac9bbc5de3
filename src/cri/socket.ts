import { connect } from "node:net";
import { CriError } from "./client.ts";

/**
 * Rejects with a `CriError` where nobody listens on the endpoint's socket; any other endpoint passes. It comes before
 * gRPC, which once told to connect tries again and again: of the places where a runtime may be, most stay empty.
 */
export function checkSocket(endpoint: string): Promise<void> {
  const path = /^unix:\/\/(\/.*)$/s.exec(endpoint)?.[1];
  if (path === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    // The kernel answers at once for a unix socket, so this needs no deadline.
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", (error) => {
      reject(new CriError(`cannot reach "${endpoint}": ${error.message}`, "unavailable"));
    });
  });
}
