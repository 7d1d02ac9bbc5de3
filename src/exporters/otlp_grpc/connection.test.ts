import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createTestAuthority, type TestAuthority } from "../../../test/e2e/certificates.ts";
import { type OtlpServer, startOtlpServer } from "../../../test/e2e/otlp_server.ts";
import { hasProgram, peerIsThere } from "../../../test/e2e/peers.ts";
import { testSettings } from "../../../test/scenes/settings.ts";
import { otlpGrpcSchema } from "./config.ts";
import { connectGrpc } from "./connection.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let server: OtlpServer | undefined;
let mutual: OtlpServer | undefined;

let authority: TestAuthority | undefined;
const file = (name: string): string => authority?.file(name) ?? "";

before(async () => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("server", "DNS:otel.test");
  authority.issue("client", "DNS:agent.test");
  const pair = {
    cert_chain: readFileSync(file("server.crt")),
    private_key: readFileSync(file("server.key")),
  };
  server = await startOtlpServer({ credentials: ServerCredentials.createSsl(null, [pair], false) });
  const ca = readFileSync(file("ca.crt"));
  mutual = await startOtlpServer({ credentials: ServerCredentials.createSsl(ca, [pair], true) });
});

after(() => {
  server?.close();
  mutual?.close();
  authority?.remove();
});

/** One attempt with these options; the outcome's kind and error. */
async function attempt(to: OtlpServer | undefined, input: object): Promise<string> {
  assert.ok(to !== undefined);
  const config = otlpGrpcSchema.parse({
    endpoint: to.endpoint,
    tls: input,
    balancer_name: "pick_first",
  });
  const client = await connectGrpc(config, testSettings());
  try {
    const outcome = await client.send(new Uint8Array(), 0, new AbortController().signal);
    return outcome.kind === "delivered" ? "delivered" : `${outcome.kind}: ${outcome.error}`;
  } finally {
    client.close();
  }
}

test("a server with a certificate of the named authority, for the right name, is trusted", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const server_name_override = "otel.test";
  assert.equal(await attempt(server, { ca_file: file("ca.crt"), server_name_override }), "delivered");
  const ca_pem = readFileSync(file("ca.crt"), "utf8");
  assert.equal(await attempt(server, { ca_pem, server_name_override, min_version: "1.3" }), "delivered");
  const both = { ca_pem, server_name_override, include_system_ca_certs_pool: true };
  assert.equal(await attempt(server, both), "delivered");
});

test("an unknown authority or a wrong name is refused, unless verification is off", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const server_name_override = "otel.test";
  assert.match(await attempt(server, { server_name_override }), /^retryable: UNAVAILABLE: .*certificate/);
  const wrong = { ca_file: file("ca.crt"), server_name_override: "other.test" };
  assert.match(await attempt(server, wrong), /^retryable: UNAVAILABLE: .*altnames/);
  assert.equal(await attempt(server, { insecure_skip_verify: true }), "delivered");
});

test("a server that wants a client certificate gets it", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const base = { ca_file: file("ca.crt"), server_name_override: "otel.test" };
  assert.match(await attempt(mutual, base), /^retryable: UNAVAILABLE/);
  const files = { cert_file: file("client.crt"), key_file: file("client.key") };
  assert.equal(await attempt(mutual, { ...base, ...files }), "delivered");
  const pem = {
    cert_pem: readFileSync(file("client.crt"), "utf8"),
    key_pem: readFileSync(file("client.key"), "utf8"),
  };
  assert.equal(await attempt(mutual, { ...base, ...pem }), "delivered");
});
