import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { createTestAuthority, type TestAuthority } from "../../test/e2e/certificates.ts";
import { hasProgram, peerIsThere } from "../../test/e2e/peers.ts";
import { clientTlsSchema } from "./client_config.ts";
import { loadClientContext } from "./client_context.ts";

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
    (socket: TLSSocket) => socket.end(socket.authorized ? "known" : "unknown"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

after(() => {
  server?.close();
  authority?.remove();
});

/** What the server says to a client with these options, or why there is no connection. */
async function greet(input: object): Promise<string> {
  const { port } = (server?.address() ?? assert.fail()) as AddressInfo;
  const secureContext = await loadClientContext(clientTlsSchema.parse(input));
  const socket = connect({ host: "127.0.0.1", port, servername: "tls.test", secureContext });
  try {
    return Buffer.concat(await socket.toArray()).toString();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

test("what ca_file or ca_pem names is trusted, and nothing else", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.equal(await greet({ ca_file: file("ca.crt") }), "unknown");
  assert.equal(await greet({ ca_pem: readFileSync(file("ca.crt"), "utf8") }), "unknown");
  assert.equal(await greet({ ca_file: file("ca.crt"), include_system_ca_certs_pool: true }), "unknown");
  assert.equal(await greet({}), "SELF_SIGNED_CERT_IN_CHAIN");
  assert.equal(await greet({ ca_file: file("client.crt") }), "SELF_SIGNED_CERT_IN_CHAIN");
});

test("the client shows its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const files = { cert_file: file("client.crt"), key_file: file("client.key") };
  assert.equal(await greet({ ca_file: file("ca.crt"), ...files }), "known");
});

test("a version below min_version is refused", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.match(await greet({ ca_file: file("ca.crt"), min_version: "1.3" }), /PROTOCOL_VERSION/);
});

test("files that are missing or hold no certificate are faults with the option's name", async () => {
  const check = (input: object, wanted: RegExp): Promise<void> =>
    assert.rejects(loadClientContext(clientTlsSchema.parse(input)), wanted);
  await check({ ca_file: "/nowhere/missing.crt" }, /^Error: cannot read tls::ca_file: ENOENT/);
  await check({ cert_pem: "x", key_pem: "y" }, /^Error: cannot use the certificates or key of tls: /);
});
