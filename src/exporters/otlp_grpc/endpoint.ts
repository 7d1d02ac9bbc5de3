// SPDX-License-Identifier: Apache-2.0
import type { PeerAddress } from "../../peer/dial.ts";

/** Where to send, and what the scheme says about TLS. */
export interface Endpoint {
  readonly place: PeerAddress;
  /** "plain" for http://, "tls" for https://; otherwise the `tls` options decide. */
  readonly security: "plain" | "tls" | "configured";
}

export const OTLP_GRPC_PORT = 4317;
/** Host, or address in brackets, and a port that may be missing. */
const HOST_PORT = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+))(?::([0-9]{1,5}))?$/;

/**
 * The Collector's forms: `host:port`, `http://host:port`, `https://host:port`, `dns:///host:port`, `unix:///path`.
 * Without a port it is 4317. Undefined where the text is none of them.
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

/** Whether the text would be an endpoint without its path: gRPC has none of its own. */
export function hasPath(text: string): boolean {
  const [, before] = /^((?:https?:\/\/)?[^/]+)\/./.exec(text) ?? [];
  return before !== undefined && parseEndpoint(before) !== undefined;
}
