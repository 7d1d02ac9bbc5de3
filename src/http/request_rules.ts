// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type HostRule, hostOf, type Reach } from "./hosts.ts";

/** Why a request is refused before anybody looks at what it asks for. */
export interface Refusal {
  readonly status: number;
  /** Without its line end. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RequestRules {
  readonly urlBytesMax: number;
  /** Whether the listener is a unix socket. */
  readonly isUnix: boolean;
  /** Whether a client must have shown a certificate of an authority that it was asked for. */
  readonly asksCertificates: boolean;
  readonly answersHost: HostRule;
}

/** Undefined where the request may be answered. */
export function refusalOf(request: IncomingMessage, rules: RequestRules): Refusal | undefined {
  const { url = "/", headers, socket } = request;
  const stranger = rules.asksCertificates ? uncertified(socket) : undefined;
  if (stranger !== undefined) return stranger;
  if (url.length > rules.urlBytesMax)
    return { status: 414, text: `a URL has at most ${rules.urlBytesMax} bytes` };
  const unclear = unclearHead(request) ?? foreignHost(request, rules) ?? crossSite(request);
  if (unclear !== undefined) return unclear;
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  return hasBody ? { status: 413, text: "requests have no body here" } : undefined;
}

/** Undefined where the client has shown a certificate of an authority that it was asked for. */
function uncertified(socket: Socket): Refusal | undefined {
  if (!(socket instanceof TLSSocket)) return { status: 403, text: "TLS is spoken here" };
  if (socket.getPeerX509Certificate() === undefined)
    // `authorized` alone would rest on what Node makes of resumed sessions.
    return { status: 403, text: "a client certificate is needed" };
  if (socket.authorized) return undefined;
  // Node gives OpenSSL's code.
  const text = `the client's certificate is refused: ${socket.authorizationError}`;
  return { status: 403, text };
}

/** The path and query of a target; a proxy may be told the scheme and host as well. */
export function originForm(url: string): string {
  return ABSOLUTE.exec(url)?.[2]?.replace(/^(?!\/)/, "/") ?? url;
}

const ABSOLUTE = /^https?:\/\/([^/?#]+)(.*)$/is;

/** Headers of which a second one is another answer to the same question; Node takes one of them, and a proxy another. */
const ONCE: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "authorization",
  "origin",
  "sec-fetch-site",
]);

/** Undefined where a head can be read in one way only. */
function unclearHead({ url = "/", httpVersion, rawHeaders, headers }: IncomingMessage): Refusal | undefined {
  if (httpVersion !== "1.1" && httpVersion !== "1.0") return { status: 505, text: "HTTP/1.1 is spoken here" };
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    if (ONCE.has(name) && seen.has(name)) return { status: 400, text: `a request has one header "${name}"` };
    seen.add(name);
  }
  const { host } = headers;
  if (host !== undefined && hostOf(host) === undefined)
    return { status: 400, text: "the header Host must be a host, and a port where there is one" };
  if (url.startsWith("/") || url === "*") return undefined;
  const named = hostOf(ABSOLUTE.exec(url)?.[1] ?? "");
  if (named === undefined)
    return { status: 400, text: "the target must be a path, or a URL of http or https" };
  if (host !== undefined && named !== hostOf(host))
    return { status: 400, text: "the target and the header Host name two hosts" };
  return undefined;
}

/** Undefined where the host that the request names is answered for. */
function foreignHost(request: IncomingMessage, { answersHost, isUnix }: RequestRules): Refusal | undefined {
  const host = hostOf(request.headers.host ?? ABSOLUTE.exec(request.url ?? "")?.[1] ?? "");
  const reads = isRead(request);
  if (host === undefined) {
    // A balancer's check by HTTP/1.0 has none. No browser is without, and whoever changes something can say where.
    return reads ? undefined : { status: 400, text: "the request must have the header Host" };
  }
  if (answersHost(host, { reach: isUnix ? "unix" : reachOf(request), reads })) return undefined;
  const way = "ask by an IP address or as localhost, or name the host in the listener's allowed_hosts";
  return { status: 421, text: `this host is not served here; ${way}` };
}

/** A connection that is gone has no address any more; the stricter rule is for it then. */
function reachOf({ socket: { localAddress = "::1" } }: IncomingMessage): Reach {
  return localAddress === "::1" || /^(?:::ffff:)?127\./.test(localAddress) ? "loopback" : "network";
}

/**
 * Undefined where a request changes nothing, or is no web page's of another site. Browsers say whose it is by
 * Sec-Fetch-Site, and where they have no such header or the page came in the clear, by Origin. Others send neither.
 */
function crossSite(request: IncomingMessage): Refusal | undefined {
  if (isRead(request)) return undefined;
  const { origin, host = "", "sec-fetch-site": site = "none" } = request.headers;
  const isOwn =
    origin === undefined || /^https?:\/\/(.*)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
  if (isOwn && (site === "same-origin" || site === "none")) return undefined;
  return { status: 403, text: "a web page of another site must not change anything here" };
}

function isRead({ method }: IncomingMessage): boolean {
  return method === "GET" || method === "HEAD";
}
