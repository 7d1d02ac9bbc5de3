// SPDX-License-Identifier: Apache-2.0
import type { PeerCertificate } from "node:tls";
import { opensslReason } from "./error_text.ts";
import { protocolIn, type ServerProtocol } from "./first_bytes.ts";

/** How the client tried to reach a peer. */
export interface Approach {
  readonly protocol: "gRPC" | "HTTP";
  readonly isTls: boolean;
  /** Whether the client has a certificate that it can show to the peer. */
  readonly hasCertificate: boolean;
}

/** The fields that errors of sockets, of TLS and of Node's HTTP parser have. */
interface ConnectionError {
  readonly code?: string;
  /** The host that the certificate should be for, in ERR_TLS_CERT_ALTNAME_INVALID. */
  readonly host?: string;
  readonly cert?: Partial<PeerCertificate>;
  /** The bytes that the HTTP parser could not read. */
  readonly rawPacket?: Uint8Array;
}

const NO_TLS =
  "the server there does not speak TLS; set tls::insecure: true, or begin the endpoint with http://";
const UNTRUSTED =
  "its certificate is of an authority that is not trusted here; give that one's in tls::ca_file";
const NO_VERSION = "no version of TLS is common; see tls::min_version and max_version";
const CLIENT_CERTIFICATE = "the server wants a certificate of the client; give tls::cert_file and key_file";

/** The advice for each error code that tells what is wrong. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ENOENT: "there is no such socket",
  EACCES: "the agent has no right to it",
  ENOTFOUND: "no name server knows the host",
  EAI_AGAIN: "the name server does not answer",
  EHOSTUNREACH: "no route leads there",
  ENETUNREACH: "no route leads there",
  ETIMEDOUT: "nothing answers there; a firewall may drop what is sent",
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_HTTP_REQUEST: NO_TLS,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_HAS_EXPIRED: "its certificate has expired, or the clock here is wrong",
  CERT_NOT_YET_VALID: "its certificate is not valid yet, or the clock here is wrong",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: NO_VERSION,
  ERR_SSL_UNSUPPORTED_PROTOCOL: NO_VERSION,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "the server does not trust the authority of tls::cert_file",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: CLIENT_CERTIFICATE,
};

/** The codes of TLS alerts that a server may send when it wants a client certificate and got none. */
const CERTIFICATE_ALERTS: ReadonlySet<string> = new Set([
  "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
  "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
  "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
]);

/**
 * Explains the failure of a connection and names the option to change; undefined if the error does not tell the cause.
 */
export function adviceOn(error: unknown, approach: Approach): string | undefined {
  const { host, cert, rawPacket } = (error ?? {}) as ConnectionError; // every field is optional
  const code = codeOf(error);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = cert?.subjectaltname ?? "no name";
    return `its certificate is for ${names}, not for "${host}"; set tls::server_name_override`;
  }
  if (rawPacket !== undefined) return adviceOnProtocol(protocolIn(rawPacket), approach);
  if (CERTIFICATE_ALERTS.has(code) && !approach.hasCertificate) return CLIENT_CERTIFICATE;
  return ADVICE[code];
}

/** Returns the code of an error. For EPROTO, makes a code of OpenSSL's reason, which is only in the error's text. */
function codeOf(error: unknown): string {
  const { code = "" } = (error ?? {}) as ConnectionError; // every field is optional
  const reason = code === "EPROTO" ? opensslReason(error) : undefined;
  return reason === undefined ? code : `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
}

/**
 * Returns whether the error does not tell what is wrong: the connection just ended, or what the peer sent cannot be
 * parsed.
 */
export function isUnclear(error: unknown): boolean {
  const { code } = (error ?? {}) as ConnectionError; // every field is optional
  return code === undefined || UNCLEAR.test(code);
}

const UNCLEAR = /^(ECONNRESET|ECONNABORTED|EPIPE|ERR_HTTP2_.*|HPE_.*)$/;

/**
 * Returns what to change if the server speaks the protocol `spoken`, which is undefined for an unknown protocol.
 * Returns an empty text if the server speaks the client's protocol.
 */
export function adviceOnProtocol(spoken: ServerProtocol | undefined, approach: Approach): string {
  const { protocol, isTls } = approach;
  if (spoken === undefined) return `what listens there does not answer as a server of ${protocol} does`;
  if (spoken === "tls")
    return isTls
      ? endedBy(approach)
      : "the server there speaks TLS; begin the endpoint with https://, or use tls";
  if (isTls) return NO_TLS;
  if (spoken === "http1" && protocol === "gRPC")
    return "a server of HTTP/1 listens there, not of gRPC; is it the port of otlp_http, 4318?";
  if (spoken === "http2" && protocol === "HTTP")
    return "a server of HTTP/2 listens there, as gRPC's are; is it the port of otlp_grpc, 4317?";
  return "";
}

/** Matches the answers of TLS servers (Go, nginx, Apache, Tomcat) to a request without TLS. */
const WANTS_TLS =
  /client sent an HTTP request to an HTTPS server|the plain HTTP request was sent to HTTPS port|(you're )?speaking plain HTTP to an SSL-enabled server port|this combination of host and port requires TLS/i;

/** Returns the server's words and what to change, if its answer says that it wants TLS; undefined if not. */
export function adviceOnAnswer(text: string, approach: Approach): string | undefined {
  const words = approach.isTls ? undefined : WANTS_TLS.exec(text)?.[0];
  return words === undefined ? undefined : `${words}; ${adviceOnProtocol("tls", approach)}`;
}

function endedBy({ hasCertificate }: Approach): string {
  return hasCertificate
    ? "the server ends the connection; it may not like tls::cert_file"
    : `the server ends the connection; perhaps ${CLIENT_CERTIFICATE}`;
}
