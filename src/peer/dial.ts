// SPDX-License-Identifier: Apache-2.0
import { connect, isIP, type Socket } from "node:net";
import { type SecureContext, type TLSSocket, connect as tlsConnect } from "node:tls";

/** Where a connection leads: a TCP address, or the path of a unix socket. */
export type PeerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Opens a connection. Rejects with the system's error, or with the signal's reason when it aborts before. */
export async function dial(place: PeerAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect(place);
  await established(socket, "connect", signal);
  socket.setNoDelay();
  return socket;
}

export interface TlsOptions {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  /** Whom the certificate must be for, a name or an address; only a name is sent to the server. */
  readonly name: string;
  readonly protocols: readonly string[];
}

/** Speaks TLS over a connection, which it owns from now on. Rejects as `dial` does. */
export async function secure(socket: Socket, options: TlsOptions, signal: AbortSignal): Promise<TLSSocket> {
  const { secureContext, rejectUnauthorized, name, protocols } = options;
  const secured = tlsConnect({
    socket,
    secureContext,
    rejectUnauthorized,
    host: name,
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: [...protocols],
  });
  await established(secured, "secureConnect", signal);
  return secured;
}

/** The error of a connection that ended, without a word why, before it could be used. */
export class ClosedEarly extends Error {
  readonly code = "ECONNRESET";
}

/** Waits for the event; whatever comes in its place destroys the socket and rejects. */
export function established(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      socket.off(event, onEvent).off("error", settle).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) {
        resolve();
        return;
      }
      // Nobody else listens to what comes after the first error.
      socket.on("error", () => {}).destroy();
      reject(error);
    };
    const onEvent = (): void => settle();
    const onClose = (): void => settle(new ClosedEarly("the connection was closed before it could be used"));
    const onAbort = (): void => settle(signal.reason);
    socket.on(event, onEvent).on("error", settle).on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
