// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, type TestContext, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createTestAuthority, type TestAuthority } from "../../../test/kit/certificates.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { startOtlpServer } from "../../../test/kit/destinations/otlp_server.ts";
import { hasProgram, peerIsThere } from "../../../test/kit/peers.ts";
import { systemClock } from "../../clock/clock.ts";
import { otlpGrpcSchema } from "./config.ts";
import { openOtlpGrpc } from "./transport.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const PLAIN = { insecure: true };
let authority: TestAuthority | undefined;
const file = (name: string): string => authority?.file(name) ?? "";

before(() => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("by_address", "IP:127.0.0.1");
  authority.issue("by_name", "DNS:otel.test");
});
after(() => authority?.remove());

/** The error of one attempt, which names the address. */
async function errorOf(endpoint: string, tls: object): Promise<string> {
  const config = otlpGrpcSchema.parse({ endpoint, tls });
  const connection = await openOtlpGrpc(config, testSettings({ clock: systemClock }));
  try {
    const batch = { parts: [], points: 0, bytes: 0 };
    const answer = await connection.send(batch, AbortSignal.timeout(10_000));
    assert.ok(answer.kind === "busy", JSON.stringify(answer));
    assert.ok(answer.error.startsWith(`${endpoint}: UNAVAILABLE: `), answer.error);
    return answer.error;
  } finally {
    connection.close();
  }
}

async function serving(
  context: TestContext,
  certificate?: string,
  wantsCertificate = false,
): Promise<string> {
  const pair = (name: string) => ({
    cert_chain: readFileSync(file(`${name}.crt`)),
    private_key: readFileSync(file(`${name}.key`)),
  });
  const credentials =
    certificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(readFileSync(file("ca.crt")), [pair(certificate)], wantsCertificate);
  const server = await startOtlpServer({ credentials });
  context.after(() => server.close());
  return server.endpoint;
}

test("nobody, an unknown name, and a server of HTTP/1 are named", async (context) => {
  assert.match(await errorOf("127.0.0.1:1", PLAIN), /ECONNREFUSED 127\.0\.0\.1:1; nobody listens there$/);
  assert.match(await errorOf("nothing.invalid:4317", PLAIN), /cannot find the address of "nothing\.invalid"/);
  const http = createServer();
  context.after(() => http.close());
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const endpoint = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  assert.match(await errorOf(endpoint, PLAIN), /; a server of HTTP\/1 listens there.* otlp_http, 4318\?$/);
  assert.match(await errorOf(endpoint, {}), /does not speak TLS/);
});

test("TLS to a port in the clear, and the other way round, are named", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  assert.match(
    await errorOf(await serving(context), {}),
    /; the server there does not speak TLS; set tls::insecure/,
  );
  assert.match(
    await errorOf(await serving(context, "by_address"), PLAIN),
    /; the server there speaks TLS; begin/,
  );
});

test("a certificate that is not trusted, for another name, or missing on our side is named with the option", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const ca_file = file("ca.crt");
  assert.match(await errorOf(await serving(context, "by_address"), {}), /give that one's in tls::ca_file$/);
  assert.match(
    await errorOf(await serving(context, "by_name"), { ca_file }),
    /; its certificate is for DNS:otel\.test, not for "127\.0\.0\.1"; set tls::server_name_override$/,
  );
  const mutual = await serving(context, "by_address", true);
  for (const max_version of ["1.2", "1.3"])
    assert.match(
      await errorOf(mutual, { ca_file, max_version }),
      /give tls::cert_file and key_file$/,
      max_version,
    );
});
