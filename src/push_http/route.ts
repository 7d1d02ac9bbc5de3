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

export interface RouteOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly env: Environment;
}

/** How requests get to a URL. */
export interface HttpRoute {
  /** Whether the connection of a request is one of TLS: to the server, or to the proxy that takes the request. */
  readonly isTls: boolean;
  /** Host, port and path of every request. */
  readonly request: RequestOptions;
  /** What the proxy that takes the request wants to see. */
  readonly headers: Readonly<Record<string, string>>;
  readonly proxy: ForwardProxy | undefined;
  /** The server's own place; undefined where a proxy stands before it. */
  readonly place: PeerAddress | undefined;
}

/** Throws, with words for the user, where the environment names a proxy that cannot be used. */
export function routeTo({ url, config, env }: RouteOptions): HttpRoute {
  const { host, port, socketPath, isTls } = url;
  const path = url.path + url.query;
  const variable = isTls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const direct = { isTls, request: { host, port, path }, headers: {}, proxy: undefined };
  if (socketPath !== undefined)
    return { ...direct, request: { ...direct.request, socketPath }, place: { path: socketPath } };
  const proxy = chooseProxy({ target: url, option: config.proxy, variable, env });
  if (proxy === undefined) return { ...direct, place: { host, port } };
  // The agent's connections lead through a tunnel.
  if (isTls) return { ...direct, proxy, place: undefined };
  // RFC 9112, 3.2.2: a proxy is asked with the whole URL.
  const authority = authorityOf(url);
  return {
    isTls: proxy.isTls,
    request: { host: proxy.host, port: proxy.port, path: `http://${authority}${path}` },
    headers: { host: authority, ...authorizationFor(proxy) },
    proxy,
    place: undefined,
  };
}

function authorityOf({ host, port }: PushUrl): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === 80 ? name : `${name}:${port}`;
}

/** Options of a request over the agent of a route. */
export interface RoutedOptions extends RequestOptions {
  readonly agent: Agent;
  readonly signal: AbortSignal;
  /** The same signal again, for the tunnel: Node keeps `signal` from whoever makes the connection. */
  readonly attempt: AbortSignal;
}

export interface HttpAgentOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly route: HttpRoute;
  /** For connections of TLS. */
  readonly secureContext: SecureContext | undefined;
  readonly clock: Clock;
}

/** What makes and keeps the connections of a route, for requests with `RoutedOptions`. */
export function createAgent(options: HttpAgentOptions): Agent {
  const { url, config, route, secureContext } = options;
  const limits = limitsOf(config);
  if (!route.isTls) return new Agent(limits);
  const { proxy } = route;
  // To a proxy that takes the request, the name of the server means nothing.
  const name = url.isTls ? nameOf(options) : (proxy?.host ?? url.host);
  const agent = new TlsAgent({
    ...limits,
    secureContext,
    rejectUnauthorized: !config.tls.insecureSkipVerify,
    // An address is not sent as a name.
    servername: isIP(name) === 0 ? name : "",
  });
  if (!url.isTls || proxy === undefined) return agent;
  agent.createConnection = (asked, done) => {
    // The agent hands on all options of the request.
    const { attempt } = asked as RoutedOptions;
    openSecureTunnel(options, proxy, attempt).then(
      (socket) => done?.(null, socket),
      // The agent looks at the error alone; the type wants a stream beside it.
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
    // The agent applies it to connections that wait; requests have their own deadline.
    ...(idleTimeoutMs === 0 ? {} : { timeout: idleTimeoutMs }),
  };
}

/** Whom the server's certificate must be for. Without it, a header "host" would say. */
function nameOf({ url, config }: HttpAgentOptions): string {
  return config.tls.serverName ?? url.host;
}

/** As gRPC's connections: a proxy that takes longer has failed. */
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
