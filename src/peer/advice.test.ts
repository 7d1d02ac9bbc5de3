// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Approach, adviceOn, adviceOnAnswer, adviceOnProtocol, isUnclear } from "./advice.ts";

const GRPC: Approach = { protocol: "gRPC", isTls: false, hasCertificate: false };
const HTTP: Approach = { ...GRPC, protocol: "HTTP" };
const TLS: Approach = { ...GRPC, isTls: true };

test("a code has a meaning, and an option to change", () => {
  const check = (error: object, approach: Approach, want: RegExp): void =>
    assert.match(adviceOn(error, approach) ?? "nothing", want);
  check({ code: "ECONNREFUSED" }, GRPC, /nobody listens/);
  check({ code: "ENOTFOUND" }, HTTP, /no name server knows the host/);
  check({ code: "ETIMEDOUT" }, HTTP, /firewall/);
  check({ code: "ERR_SSL_WRONG_VERSION_NUMBER" }, TLS, /tls::insecure: true/);
  check({ code: "SELF_SIGNED_CERT_IN_CHAIN" }, TLS, /tls::ca_file/);
  check({ code: "CERT_HAS_EXPIRED" }, TLS, /expired, or the clock/);
  const cert = { subjectaltname: "DNS:otel.test" };
  const altname = { code: "ERR_TLS_CERT_ALTNAME_INVALID", host: "10.0.0.1", cert };
  check(
    altname,
    TLS,
    /^its certificate is for DNS:otel\.test, not for "10\.0\.0\.1"; set tls::server_name_override$/,
  );
  check({ code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" }, TLS, /tls::cert_file/);
  check({ code: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" }, TLS, /tls::cert_file/);
  check({ code: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" }, { ...TLS, hasCertificate: true }, /^nothing$/);
  check(
    { code: "HPE_INVALID_CONSTANT", rawPacket: Buffer.from("15030100020228", "hex") },
    HTTP,
    /speaks TLS/,
  );
  check({ code: "HPE_INVALID_CONSTANT", rawPacket: Buffer.from("000000040000000000", "hex") }, HTTP, /4317/);
  check(
    { code: "HPE_INVALID_CONSTANT", rawPacket: Buffer.from("SSH-2.0-x\r\n") },
    HTTP,
    /not answer as a server of HTTP/,
  );
  check({ code: "ESOMETHING" }, GRPC, /^nothing$/);
  check(new Error("no code"), GRPC, /^nothing$/);
});

test("only a connection that just ends, or sends bytes that make no sense, is probed", () => {
  const check = (error: unknown, want: boolean): void => assert.equal(isUnclear(error), want, String(error));
  for (const code of ["ECONNRESET", "EPIPE", "ERR_HTTP2_ERROR", "HPE_INVALID_CONSTANT"])
    check({ code }, true);
  for (const code of ["ECONNREFUSED", "ERR_SSL_NO_SHARED_CIPHER", "EMFILE"]) check({ code }, false);
  check(new Error("no connection within 20000 ms"), true);
});

test("the advice names the option to change where another protocol is found", () => {
  const check = (spoken: Parameters<typeof adviceOnProtocol>[0], approach: Approach, want: RegExp): void =>
    assert.match(adviceOnProtocol(spoken, approach), want);
  check("tls", GRPC, /https:\/\//);
  check("tls", TLS, /perhaps .* tls::cert_file/);
  check("tls", { ...TLS, hasCertificate: true }, /may not like tls::cert_file/);
  check("http1", GRPC, /otlp_http, 4318/);
  check("http2", HTTP, /otlp_grpc, 4317/);
  check("http2", TLS, /does not speak TLS/);
  check("http1", HTTP, /^$/);
  check("http2", GRPC, /^$/);
  check(undefined, GRPC, /does not answer as a server of gRPC/);
});

test("an answer in the clear by which a TLS server asks for TLS is recognized", () => {
  const check = (text: string, words: string): void =>
    assert.equal(
      adviceOnAnswer(text, HTTP),
      `${words}; the server there speaks TLS; begin the endpoint with https://, or use tls`,
    );
  const go = "Client sent an HTTP request to an HTTPS server";
  check(`${go}.\n`, go);
  const nginx = "The plain HTTP request was sent to HTTPS port";
  check(`<html><head><title>400 ${nginx}</title></head>`, nginx);
  const apache = "You're speaking plain HTTP to an SSL-enabled server port";
  check(`<p>Reason: ${apache}.<br />`, apache);
  check(
    "Bad Request\r\nThis combination of host and port requires TLS.\r\n",
    "This combination of host and port requires TLS",
  );
  assert.equal(adviceOnAnswer("out of order sample", HTTP), undefined);
  assert.equal(adviceOnAnswer(go, TLS), undefined);
});
