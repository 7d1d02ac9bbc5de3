// SPDX-License-Identifier: Apache-2.0
import type { PeerAddress } from "../../peer/dial.ts";

/** The address of a server, and what its scheme says about TLS. */
export interface Endpoint {
  readonly place: PeerAddress;
  /** "plain" for http://, "tls" for https://, "configured" for no scheme: the option `tls::insecure` then decides. */
  readonly security: "plain" | "tls" | "configured";
}

/** The default port, which is registered for OTLP over gRPC. */
export const OTLP_GRPC_PORT = 4317;
/** Matches a host or an IPv6 address in brackets, with or without a port behind it. */
const HOST_PORT = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+))(?::([0-9]{1,5}))?$/;

/**
 * Parses an endpoint in one of the Collector's forms: `host:port`, `http://host:port`, `https://host:port`,
 * `dns:///host:port`, `unix:///path`. The default of the port is 4317. Returns undefined for any other text.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (text.startsWith("unix:")) {
    const path = text.replace(/^unix:(\/\/)?/, "");
    return path.startsWith("/") && path.length > 1 ? { place: { path }, security: "configured" } : undefined;
  }
  const [, scheme = "", rest = ""] = /^(https?:\/\/|dns:\/{0,3})?(.*)$/s.exec(text) ?? [];
  const isUrl = scheme.startsWith("http");
  const [, bracketed, name, digits] = HOST_PORT.exec(isUrl ? rest.replace(/\/$/, "") : rest) ?? [];
  const host = bracketed ?? name;
  const port = Number(digits ?? OTLP_GRPC_PORT);
  if (host === undefined || port > 65_535) return undefined;
  const security = isUrl ? (scheme === "https://" ? "tls" : "plain") : "configured";
  return { place: { host, port }, security };
}

/** Whether the text is an endpoint with a path behind it. gRPC endpoints have no path. */
export function hasPath(text: string): boolean {
  const [, before] = /^((?:https?:\/\/)?[^/]+)\/./.exec(text) ?? [];
  return before !== undefined && parseEndpoint(before) !== undefined;
}
