// SPDX-License-Identifier: Apache-2.0
import { Agent, type RequestOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import { type PeerAddress, secure } from "../peer/dial.ts";
import { chooseProxy, type Environment } from "../proxy/choose.ts";
import type { ForwardProxy } from "../proxy/proxy_url.ts";
import { authorizationFor, openTunnel, ProxyError } from "../proxy/tunnel.ts";
import type { HttpClientConfig } from "./config.ts";
import type { PushUrl } from "./url.ts";

/** The options of `routeTo`. */
export interface RouteOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly env: Environment;
}

/** The way of requests to a URL: direct, or through a proxy. */
export interface HttpRoute {
  /**
   * Whether TLS is used to the server, directly or through a tunnel. If a proxy forwards the requests, and opens no
   * tunnel: whether TLS is used to the proxy.
   */
  readonly isTls: boolean;
  /** Host, port and path of every request. */
  readonly request: RequestOptions;
  /** Headers that are added for a proxy that forwards the request; empty if no proxy does. */
  readonly headers: Readonly<Record<string, string>>;
  readonly proxy: ForwardProxy | undefined;
  /** The server's own address; undefined if a proxy is used. */
  readonly address: PeerAddress | undefined;
}

/** Finds the way to a URL. Throws, with a message for the user, if the environment's proxy cannot be used. */
export function routeTo({ url, config, env }: RouteOptions): HttpRoute {
  const { host, port, socketPath, isTls } = url;
  const path = url.path + url.query;
  const variable = isTls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const direct = { isTls, request: { host, port, path }, headers: {}, proxy: undefined };
  if (socketPath !== undefined)
    return { ...direct, request: { ...direct.request, socketPath }, address: { path: socketPath } };
  const proxy = chooseProxy({ target: url, option: config.proxy, variable, env });
  if (proxy === undefined) return { ...direct, address: { host, port } };
  // For https, Node's `Agent` opens a tunnel through the proxy, so the request is the same as without a proxy.
  if (isTls) return { ...direct, proxy, address: undefined };
  // A proxy gets the whole URL (RFC 9112, 3.2.2).
  const authority = authorityOf(url);
  return {
    isTls: proxy.isTls,
    request: { host: proxy.host, port: proxy.port, path: `http://${authority}${path}` },
    headers: { host: authority, ...authorizationFor(proxy) },
    proxy,
    address: undefined,
  };
}

function authorityOf({ host, port }: PushUrl): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === 80 ? name : `${name}:${port}`;
}

/** Options of a request that uses an `Agent` of `createAgent`. */
export interface RoutedOptions extends RequestOptions {
  readonly agent: Agent;
  readonly signal: AbortSignal;
  /** `signal` again, for the tunnel: Node does not pass `signal` on to the function that makes the connection. */
  readonly attempt: AbortSignal;
}

/** The options of `createAgent`. */
export interface HttpAgentOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly route: HttpRoute;
  /** The certificates for TLS; undefined if neither the server nor the proxy speaks TLS. */
  readonly secureContext: SecureContext | undefined;
  readonly clock: Clock;
}

/** Makes a Node `Agent`, which has the connections of a route. Requests that use it must have `RoutedOptions`. */
export function createAgent(options: HttpAgentOptions): Agent {
  const { url, config, route, secureContext } = options;
  const limits = limitsOf(config);
  if (!route.isTls) return new Agent(limits);
  const { proxy } = route;
  // If a proxy forwards the request, TLS ends at the proxy, so the certificate must be for the proxy's name.
  const name = url.isTls ? nameOf(options) : (proxy?.host ?? url.host);
  const agent = new TlsAgent({
    ...limits,
    secureContext,
    rejectUnauthorized: !config.tls.insecureSkipVerify,
    // TLS sends names only, not addresses (RFC 6066, 3).
    servername: isIP(name) === 0 ? name : "",
  });
  if (!url.isTls || proxy === undefined) return agent;
  agent.createConnection = (asked, done) => {
    // The `Agent` passes on all options of the request, and all its requests have `RoutedOptions`.
    const { attempt } = asked as RoutedOptions;
    openSecureTunnel(options, proxy, attempt).then(
      (socket) => done?.(null, socket),
      // The `Agent` needs the error alone, but the type of `done` demands a stream as well.
      (error: Error) => (done as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  };
  return agent;
}

function limitsOf({ keepAlives, idleConnectionsMax, connectionsMax, idleTimeoutMs }: HttpClientConfig) {
  return {
    keepAlive: keepAlives,
    maxFreeSockets: idleConnectionsMax,
    maxSockets: connectionsMax,
    // The `Agent` closes connections that have been idle for this time. A request has its own deadline.
    ...(idleTimeoutMs === 0 ? {} : { timeout: idleTimeoutMs }),
  };
}

/**
 * Returns the name that the server's certificate must be for. Without it, Node would take the name from a header
 * "host".
 */
function nameOf({ url, config }: HttpAgentOptions): string {
  return config.tls.serverName ?? url.host;
}

/**
 * The longest time for opening a tunnel through a proxy, including TLS to the server. Connections of `grpc_client/`
 * have the same limit.
 */
const CONNECT_MS = 20_000;

async function openSecureTunnel(
  options: HttpAgentOptions,
  proxy: ForwardProxy,
  attempt: AbortSignal,
): Promise<TLSSocket> {
  const { url, config, secureContext, clock } = options;
  if (secureContext === undefined) throw new Error("BUG: connecting before the certificates were read");
  const deadline = new AbortController();
  const cancel = clock.after(CONNECT_MS, () =>
    deadline.abort(new ProxyError(`proxy ${proxy.address} opened no tunnel within ${CONNECT_MS} ms`)),
  );
  try {
    const signal = AbortSignal.any([deadline.signal, attempt]);
    const socket = await openTunnel({ proxy, target: url, secureContext }, signal);
    const rejectUnauthorized = !config.tls.insecureSkipVerify;
    const protocols = ["http/1.1"];
    return await secure(
      socket,
      { secureContext, rejectUnauthorized, name: nameOf(options), protocols },
      signal,
    );
  } finally {
    cancel();
  }
}
