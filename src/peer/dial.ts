// SPDX-License-Identifier: Apache-2.0
import { connect, isIP, type Socket } from "node:net";
import { type SecureContext, type TLSSocket, connect as tlsConnect } from "node:tls";

/** The address of a peer: host and port of TCP, or the path of a unix socket. */
export type PeerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Opens a connection. Rejects with the system's error, or with the signal's reason if it aborts first. */
export async function dial(address: PeerAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect(address);
  await established(socket, "connect", signal);
  socket.setNoDelay();
  return socket;
}

/** The TLS options of one connection. */
export interface TlsOptions {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  /**
   * The name or address that the server's certificate must have. A name is also sent to the server; an address is not.
   */
  readonly name: string;
  /** The protocols that the client offers by ALPN, such as "h2". */
  readonly protocols: readonly string[];
}

/** Begins TLS on a connected socket. The returned socket owns it. Rejects if TLS fails or the signal aborts. */
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

/** The error of a connection that ended without a reason before it could be used. */
export class ClosedEarly extends Error {
  readonly code = "ECONNRESET";
}

/** Waits for `event`. If an error, the socket's end or the signal comes first, destroys the socket and rejects. */
export function established(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown): void => {
      socket.off(event, onEvent).off("error", finish).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) {
        resolve();
        return;
      }
      // Without a listener, a second error of the socket would end the process.
      socket.on("error", () => {}).destroy();
      reject(error);
    };
    const onEvent = (): void => finish();
    const onClose = (): void => finish(new ClosedEarly("the connection was closed before it could be used"));
    const onAbort = (): void => finish(signal.reason);
    socket.on(event, onEvent).on("error", finish).on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
