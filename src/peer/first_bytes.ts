// SPDX-License-Identifier: Apache-2.0
/** The protocol by which a server answers. */
export type ServerProtocol = "tls" | "http1" | "http2";

/** The record types "alert" and "handshake" of TLS (RFC 8446, 5.1). */
const TLS_RECORDS: ReadonlySet<number> = new Set([21, 22]);
const TLS_MAJOR_VERSION = 3;
/** The types of an HTTP/2 server's first frame: SETTINGS (RFC 9113, 3.4), or GOAWAY if it refuses the client. */
const HTTP2_FRAMES: ReadonlySet<number> = new Set([4, 7]);
const HTTP2_TYPE_AT = 3;
const HTTP2_HEADER_BYTES = 9;

/** Recognizes a protocol by the first bytes of a server's answer; undefined if they are of another protocol. */
export function protocolIn(bytes: Uint8Array): ServerProtocol | undefined {
  if (TLS_RECORDS.has(bytes[0] ?? 0) && bytes[1] === TLS_MAJOR_VERSION) return "tls";
  if (Buffer.from(bytes.subarray(0, 5)).toString("latin1") === "HTTP/") return "http1";
  const isFrame = bytes.length >= HTTP2_HEADER_BYTES && bytes[0] === 0;
  return isFrame && HTTP2_FRAMES.has(bytes[HTTP2_TYPE_AT] ?? 0) ? "http2" : undefined;
}
