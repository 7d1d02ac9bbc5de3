// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { z } from "zod";
import { createTestAuthority, type TestAuthority } from "../../test/kit/certificates.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { startPushServer } from "../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { connectHttp } from "./client.ts";
import { httpClientOptions, toHttpClientConfig } from "./config.ts";
import { parsePushUrl } from "./url.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let authority: TestAuthority | undefined;
const file = (name: string): string => authority?.file(name) ?? "";

before(() => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("by_name", "DNS:push.test");
  authority.issue("by_address", "IP:127.0.0.1");
  authority.issue("client", "DNS:agent.test");
});

after(() => authority?.remove());

const schema = z.strictObject(httpClientOptions).transform(toHttpClientConfig);

/** The result of one request to a server with this certificate: the client that the server saw, or the error. */
async function attempt(context: TestContext, certificate: string, input: object): Promise<string> {
  const server = await startPushServer(context, {
    tls: {
      cert: readFileSync(file(`${certificate}.crt`)),
      key: readFileSync(file(`${certificate}.key`)),
      ca: readFileSync(file("ca.crt")),
      requestCert: true,
      rejectUnauthorized: false,
    },
    answers: [
      ({ socket }, response) => {
        const { authorized, servername } = socket as TLSSocket & { readonly servername: string | false };
        response.end(`${authorized ? "known" : "unknown"} ${servername}`);
      },
    ],
  });
  const url = parsePushUrl(server.url);
  assert.ok(typeof url !== "string");
  const client = await connectHttp({
    url,
    config: schema.parse(input),
    timeoutMs: 5_000,
    protocol: {
      headers: {},
      isOwn: () => true,
      accepted: ({ body }) => ({ rejectedPoints: 0, message: body.toString() }),
      reasonOf: () => "",
    },
    settings: testSettings(),
  });
  const outcome = await client.post(new Uint8Array(), new AbortController().signal);
  client.close();
  return outcome.kind === "delivered" ? outcome.message : `${outcome.kind}: ${outcome.status}`;
}

test("the certificate must be for the URL's host, or the name that stands for it", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const ca_file = file("ca.crt");
  assert.equal(await attempt(context, "by_address", { tls: { ca_file } }), "unknown false");
  assert.equal(await attempt(context, "by_name", { tls: { ca_file } }), "busy: ERR_TLS_CERT_ALTNAME_INVALID");
  const tls = { ca_file, server_name_override: "push.test" };
  assert.equal(await attempt(context, "by_name", { tls }), "unknown push.test");
  const headers = { host: "push.test" };
  assert.match(await attempt(context, "by_name", { tls: { ca_file }, headers }), /ALTNAME_INVALID/);
});

test("an unknown authority is refused, unless verification is off", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.equal(await attempt(context, "by_address", {}), "busy: SELF_SIGNED_CERT_IN_CHAIN");
  assert.equal(await attempt(context, "by_name", { tls: { insecure_skip_verify: true } }), "unknown false");
});

test("the client shows its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const tls = { ca_file: file("ca.crt"), cert_file: file("client.crt"), key_file: file("client.key") };
  assert.equal(await attempt(context, "by_address", { tls }), "known false");
});
