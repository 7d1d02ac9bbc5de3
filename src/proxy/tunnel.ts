// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { dial, secure } from "../peer/dial.ts";
import { errorText } from "../peer/error_text.ts";
import type { ProxyTarget } from "./no_proxy.ts";
import type { ForwardProxy } from "./proxy_url.ts";

/** Says why a proxy opened no tunnel. The message has the proxy's address and no secret. */
export class ProxyError extends Error {
  /** The HTTP status that the proxy answered; undefined if it did not answer. */
  readonly status: number | undefined;

  constructor(message: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

/** The HTTP status of a proxy that wants credentials. */
export const PROXY_AUTHENTICATION_REQUIRED = 407;

/** The ends of a tunnel to a target through a proxy. */
export interface TunnelOptions {
  readonly proxy: ForwardProxy;
  readonly target: ProxyTarget;
  /**
   * The certificates to trust for a proxy of `https://`: as in Go, those for the target. Other proxies need none.
   */
  readonly secureContext: SecureContext | undefined;
}

/**
 * Opens a connection to the target through the proxy (RFC 9110, 9.3.6: CONNECT). Rejects with a ProxyError, or with the
 * signal's reason if it aborts first. The caller must give a signal with a deadline, since a proxy may never answer.
 */
export async function openTunnel(options: TunnelOptions, signal: AbortSignal): Promise<Socket> {
  const { proxy } = options;
  const { host, port } = options.target;
  const socket = await reach(options, signal);
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return await new Promise((resolve, reject) => {
    const fail = (error: ProxyError): void => {
      signal.removeEventListener("abort", onAbort);
      socket.on("error", () => {}).destroy();
      reject(error);
    };
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    const asking = request({
      method: "CONNECT",
      path: authority,
      createConnection: () => socket,
      // Without "keep-alive", Node would ask the proxy to close the connection.
      headers: { host: authority, connection: "keep-alive", ...authorizationFor(proxy) },
    });
    asking.on("connect", (response, _socket, head) => {
      const { statusCode: status = 0, statusMessage = "" } = response;
      if (status < 200 || status > 299) return fail(refusal(proxy, authority, `${status} ${statusMessage}`));
      signal.removeEventListener("abort", onAbort);
      // Bytes that the target has sent already are put back, so that the caller reads them first.
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asking.on("error", (cause) => {
      if (signal.aborted) return;
      const text = `proxy ${proxy.address} did not open a tunnel to ${authority}: ${cause.message}`;
      fail(new ProxyError(text, { cause }));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    asking.end();
  });
}

/** Returns the header with the credentials for the proxy; no header if the proxy's URL names no user. */
export function authorizationFor({ authorization }: ForwardProxy): Readonly<Record<string, string>> {
  return authorization === undefined ? {} : { "proxy-authorization": authorization };
}

function refusal({ address }: ForwardProxy, authority: string, answer: string): ProxyError {
  const status = Number.parseInt(answer, 10);
  const hint =
    status === PROXY_AUTHENTICATION_REQUIRED
      ? "; give the user and password in proxy_url or in HTTPS_PROXY"
      : "";
  const text = `proxy ${address} answered ${answer.trim()} to CONNECT ${authority}${hint}`;
  return new ProxyError(text, { status });
}

async function reach({ proxy, secureContext }: TunnelOptions, signal: AbortSignal): Promise<Socket> {
  try {
    const socket = await dial({ host: proxy.host, port: proxy.port }, signal);
    if (!proxy.isTls) return socket;
    if (secureContext === undefined)
      throw new Error("BUG: a proxy of https:// without certificates to trust");
    const options = { secureContext, rejectUnauthorized: true, name: proxy.host, protocols: ["http/1.1"] };
    return await secure(socket, options, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new ProxyError(`cannot reach proxy ${proxy.address}: ${errorText(cause)}`, { cause });
  }
}
