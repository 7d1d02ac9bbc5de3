// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type HostRule, hostOf, type Reach } from "./hosts.ts";

/** The answer to a request that is refused before its path is looked at. */
export interface Refusal {
  readonly status: number;
  /** The answer's body: one line, without its line end. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The rules that every request of a listener must follow. */
export interface RequestRules {
  readonly urlBytesMax: number;
  /** Whether the listener is a unix socket. */
  readonly isUnix: boolean;
  /** Whether a client must have shown a certificate that one of the authorities in `tls::client_ca_file` signed. */
  readonly asksCertificates: boolean;
  readonly answersHost: HostRule;
}

/** Returns why a request is refused; undefined where it may be answered. */
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

/** Returns a refusal unless the client has shown a certificate that one of the listener's authorities signed. */
function uncertified(socket: Socket): Refusal | undefined {
  if (!(socket instanceof TLSSocket)) return { status: 403, text: "TLS is spoken here" };
  if (socket.getPeerX509Certificate() === undefined)
    // `authorized` alone is not enough: in a resumed session its value depends on how Node restores the session.
    return { status: 403, text: "a client certificate is needed" };
  if (socket.authorized) return undefined;
  // `authorizationError` is OpenSSL's code, such as CERT_HAS_EXPIRED.
  const text = `the client's certificate is refused: ${socket.authorizationError}`;
  return { status: 403, text };
}

/** Returns the path and query of a request's target, which may be a whole URL as clients send it to a proxy. */
export function originForm(url: string): string {
  return ABSOLUTE.exec(url)?.[2]?.replace(/^(?!\/)/, "/") ?? url;
}

const ABSOLUTE = /^https?:\/\/([^/?#]+)(.*)$/is;

/** Headers that a request may have once only: Node might use the first of two, and a proxy in front of it the second. */
const ONCE: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "authorization",
  "origin",
  "sec-fetch-site",
]);

/**
 * Returns a refusal where a request is of an unknown version of HTTP, or where its head can be understood in two ways.
 */
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

/** Returns a refusal where the listener does not serve the host that the request names. */
function foreignHost(request: IncomingMessage, { answersHost, isUnix }: RequestRules): Refusal | undefined {
  const host = hostOf(request.headers.host ?? ABSOLUTE.exec(request.url ?? "")?.[1] ?? "");
  const reads = isRead(request);
  if (host === undefined) {
    // The health check of a load balancer over HTTP/1.0 has no Host. Every browser sends Host, so it is needed
    // only where a request changes something.
    return reads ? undefined : { status: 400, text: "the request must have the header Host" };
  }
  if (answersHost(host, { reach: isUnix ? "unix" : reachOf(request), reads })) return undefined;
  const way = "ask by an IP address or as localhost, or name the host in the listener's allowed_hosts";
  return { status: 421, text: `this host is not served here; ${way}` };
}

/**
 * Returns how the request came. A closed connection has no address and counts as loopback, whose host rule is
 * stricter.
 */
function reachOf({ socket: { localAddress = "::1" } }: IncomingMessage): Reach {
  return localAddress === "::1" || /^(?:::ffff:)?127\./.test(localAddress) ? "loopback" : "network";
}

/**
 * Returns a refusal where a web page of another site wants to change something. Browsers name the site of the page in
 * Sec-Fetch-Site, or in Origin where they are old or the page came in the clear. Other clients send neither header.
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
