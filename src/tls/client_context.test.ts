// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { connect, createServer, type SecureContext, type Server, type TLSSocket } from "node:tls";
import { createTestAuthority, type TestAuthority } from "../../test/kit/certificates.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { clientTlsSchema } from "./client_config.ts";
import { clientCertificates } from "./client_context.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let authority: TestAuthority | undefined;
let server: Server | undefined;
const file = (name: string): string => authority?.file(name) ?? "";

before(async () => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("server", "DNS:tls.test");
  authority.issue("client", "DNS:agent.test");
  server = createServer(
    {
      cert: readFileSync(file("server.crt")),
      key: readFileSync(file("server.key")),
      ca: readFileSync(file("ca.crt")),
      maxVersion: "TLSv1.2",
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket: TLSSocket) =>
      socket.end(`${socket.authorized ? "known" : "unknown"} ${socket.getCipher().standardName}`),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

after(() => {
  server?.close();
  authority?.remove();
});

/** The context that the options make. */
async function contextOf(input: object): Promise<SecureContext> {
  let made: SecureContext | undefined;
  const owner = { kind: "exporter", settings: testSettings() } as const;
  const certificates = clientCertificates(clientTlsSchema.parse(input), owner, (context) => {
    made = context;
  });
  await certificates.load();
  certificates.close();
  return made ?? assert.fail("nothing was made");
}

/** The server's answer to a client with these options, or why there is no connection. */
async function greet(input: object): Promise<string> {
  const { port } = (server?.address() ?? assert.fail()) as AddressInfo;
  const secureContext = await contextOf(input);
  const socket = connect({ host: "127.0.0.1", port, servername: "tls.test", secureContext });
  try {
    return Buffer.concat(await socket.toArray()).toString();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

test("the authorities of ca_file or ca_pem are trusted, and no others", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.match(await greet({ ca_file: file("ca.crt") }), /^unknown/);
  assert.match(await greet({ ca_pem: readFileSync(file("ca.crt"), "utf8") }), /^unknown/);
  assert.match(await greet({ ca_file: file("ca.crt"), include_system_ca_certs_pool: true }), /^unknown/);
  assert.equal(await greet({}), "SELF_SIGNED_CERT_IN_CHAIN");
  assert.equal(await greet({ ca_file: file("client.crt") }), "SELF_SIGNED_CERT_IN_CHAIN");
});

test("the client shows its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const files = { cert_file: file("client.crt"), key_file: file("client.key") };
  assert.match(await greet({ ca_file: file("ca.crt"), ...files }), /^known/);
});

test("a version below min_version is refused", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.match(await greet({ ca_file: file("ca.crt"), min_version: "1.3" }), /PROTOCOL_VERSION/);
});

test("cipher_suites are those that the client offers for TLS 1.2", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const greetWith = (...cipher_suites: string[]) => greet({ ca_file: file("ca.crt"), cipher_suites });
  for (const suite of [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
  ])
    assert.equal(await greetWith(suite), `unknown ${suite}`);
  assert.match(
    await greetWith("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    /HANDSHAKE_FAILURE/,
    "no RSA key is there",
  );
  assert.match(await greetWith("TLS_AES_128_GCM_SHA256"), /PROTOCOL_VERSION/, "one of TLS 1.3 alone");
});

test("files that are missing or hold no certificate are faults with the option's name", async () => {
  const check = (input: object, wanted: RegExp): Promise<void> => assert.rejects(contextOf(input), wanted);
  await check(
    { ca_file: "/nowhere/missing.crt" },
    /^Error: cannot read tls::ca_file "\/nowhere\/missing.crt": ENOENT/,
  );
  await check(
    { cert_pem: "x", key_pem: "y" },
    /^Error: cannot use tls::cert_pem: there is no certificate in it/,
  );
});
