// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { dial, secure } from "../peer/dial.ts";
import { errorText } from "../peer/error_text.ts";
import type { ProxyTarget } from "./no_proxy.ts";
import type { ForwardProxy } from "./proxy_url.ts";

/** What a proxy did in place of opening a tunnel. The message names its address and holds no secret. */
export class ProxyError extends Error {
  /** What it answered; undefined where it did not answer. */
  readonly status: number | undefined;

  constructor(message: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

export const PROXY_AUTHENTICATION_REQUIRED = 407;

export interface TunnelOptions {
  readonly proxy: ForwardProxy;
  readonly target: ProxyTarget;
  /** For a proxy of `https://`: whom to trust, as in Go the same as for the target. */
  readonly secureContext: SecureContext | undefined;
}

/**
 * A connection to the target through the proxy (RFC 9110, 9.3.6: CONNECT). Rejects with a ProxyError, or with the signal's
 * reason when it aborts before: a proxy may hang for ever.
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
      // Without it, Node asks for the end of the connection.
      headers: { host: authority, connection: "keep-alive", ...authorizationFor(proxy) },
    });
    asking.on("connect", (response, _socket, head) => {
      const { statusCode: status = 0, statusMessage = "" } = response;
      if (status < 200 || status > 299) return fail(refusal(proxy, authority, `${status} ${statusMessage}`));
      signal.removeEventListener("abort", onAbort);
      // The target may have spoken first.
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

/** The header that shows the proxy who asks; none where its URL names no user. */
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
