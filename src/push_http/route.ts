// SPDX-License-Identifier: Apache-2.0
import { Agent, type RequestOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import { type Place, secure } from "../peer/dial.ts";
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
  readonly place: Place | undefined;
}

/** Throws, with words for the user, where the environment names a proxy that cannot be used. */
export function routeTo({ url, config, env }: RouteOptions): HttpRoute {
  const { host, port, socketPath, isTls } = url;
  const path = url.path + url.query;
  const variable = isTls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const direct = { isTls, request: { host, port, path }, headers: {}, proxy: undefined };
  if (socketPath !== undefined)
    return { ...direct, request: { ...direct.request, socketPath }, place: { path: socketPath } };
  const proxy = chooseProxy({ target: url, option: config.proxy_url, variable, env });
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

export interface AgentOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly route: HttpRoute;
  /** For connections of TLS. */
  readonly secureContext: SecureContext | undefined;
  readonly clock: Clock;
}

/** What makes and keeps the connections of a route, for requests with `RoutedOptions`. */
export function createAgent(options: AgentOptions): Agent {
  const { url, config, route, secureContext } = options;
  const limits = limitsOf(config);
  if (!route.isTls) return new Agent(limits);
  const { proxy } = route;
  // To a proxy that takes the request, the name of the server means nothing.
  const name = url.isTls ? nameOf(options) : (proxy?.host ?? url.host);
  const agent = new TlsAgent({
    ...limits,
    secureContext,
    rejectUnauthorized: !config.tls.insecure_skip_verify,
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

function limitsOf(config: HttpClientConfig) {
  const { max_idle_conns, max_idle_conns_per_host = 0, max_conns_per_host, idle_conn_timeout } = config;
  return {
    keepAlive: !config.disable_keep_alives,
    maxFreeSockets: Math.min(orNoLimit(max_idle_conns), orNoLimit(max_idle_conns_per_host)),
    maxSockets: orNoLimit(max_conns_per_host),
    // The agent heeds it for connections that wait; requests have their own deadline.
    ...(idle_conn_timeout === 0 ? {} : { timeout: idle_conn_timeout }),
  };
}

/** Of a Go transport 0 is no limit. */
function orNoLimit(count: number): number {
  return count === 0 ? Number.POSITIVE_INFINITY : count;
}

/** Whom the server's certificate must be for. Without it, a header "host" would say. */
function nameOf({ url, config }: AgentOptions): string {
  return config.tls.server_name_override ?? url.host;
}

/** As gRPC's connections: a proxy that takes longer has failed. */
const CONNECT_MS = 20_000;

async function openSecureTunnel(
  options: AgentOptions,
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
    const rejectUnauthorized = !config.tls.insecure_skip_verify;
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
