// SPDX-License-Identifier: Apache-2.0
import type { PeerCertificate } from "node:tls";
import { opensslReason } from "./error_text.ts";
import { protocolIn, type ServerProtocol } from "./first_bytes.ts";

/** How we tried to reach a peer. */
export interface Approach {
  readonly protocol: "gRPC" | "HTTP";
  readonly isTls: boolean;
  /** Whether a certificate of our own was there to show. */
  readonly hasCertificate: boolean;
}

/** The fields that errors of sockets, of TLS and of Node's HTTP parser have. */
interface ConnectionError {
  readonly code?: string;
  /** Of ERR_TLS_CERT_ALTNAME_INVALID. */
  readonly host?: string;
  readonly cert?: Partial<PeerCertificate>;
  /** Of the HTTP parser: what it could not read. */
  readonly rawPacket?: Uint8Array;
}

const NO_TLS =
  "the server there does not speak TLS; set tls::insecure: true, or begin the endpoint with http://";
const UNTRUSTED =
  "its certificate is of an authority that is not trusted here; give that one's in tls::ca_file";
const NO_VERSION = "no version of TLS is common; see tls::min_version and max_version";
const CLIENT_CERTIFICATE = "the server wants a certificate of the client; give tls::cert_file and key_file";

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

/** Alerts by which a server may mean that it got no certificate. */
const CERTIFICATE_ALERTS: ReadonlySet<string> = new Set([
  "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
  "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
  "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
]);

/** What the failure of a connection means and which option mends it; undefined where the error alone does not tell. */
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

/** Some errors of OpenSSL come as EPROTO, with their reason in the text alone. */
function codeOf(error: unknown): string {
  const { code = "" } = (error ?? {}) as ConnectionError; // every field is optional
  const reason = code === "EPROTO" ? opensslReason(error) : undefined;
  return reason === undefined ? code : `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
}

/** Whether only a look at the address can tell what is wrong: the connection just ended, or made no sense to us. */
export function isUnclear(error: unknown): boolean {
  const { code } = (error ?? {}) as ConnectionError; // every field is optional
  return code === undefined || UNCLEAR.test(code);
}

const UNCLEAR = /^(ECONNRESET|ECONNABORTED|EPIPE|ERR_HTTP2_.*|HPE_.*)$/;

/** What to change where the server was heard to speak that, or nothing that is known; empty where it speaks as we do. */
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

/** How servers of TLS answer a request in the clear: those of Go, nginx, Apache and Tomcat. */
const WANTS_TLS =
  /client sent an HTTP request to an HTTPS server|the plain HTTP request was sent to HTTPS port|(you're )?speaking plain HTTP to an SSL-enabled server port|this combination of host and port requires TLS/i;

/** The server's words and what to change, where it says in an answer that it wants TLS; undefined where it does not. */
export function adviceOnAnswer(text: string, approach: Approach): string | undefined {
  const words = approach.isTls ? undefined : WANTS_TLS.exec(text)?.[0];
  return words === undefined ? undefined : `${words}; ${adviceOnProtocol("tls", approach)}`;
}

function endedBy({ hasCertificate }: Approach): string {
  return hasCertificate
    ? "the server ends the connection; it may not like tls::cert_file"
    : `the server ends the connection; perhaps ${CLIENT_CERTIFICATE}`;
}
