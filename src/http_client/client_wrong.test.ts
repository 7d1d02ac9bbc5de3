// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { startOtlpServer } from "../../test/kit/destinations/otlp_server.ts";
import { type HttpAnswer, startPushServer } from "../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { systemClock } from "../clock/clock.ts";
import type { FailureKind } from "../peer/answer.ts";
import { connectHttp } from "./client.ts";
import { httpClientOptions, toHttpClientConfig } from "./config.ts";
import { parsePushUrl } from "./url.ts";

const schema = z.strictObject(httpClientOptions).transform(toHttpClientConfig);

/** The error of one post, which names the URL. */
async function errorOf(
  context: TestContext,
  url: string,
  { input = {}, kind = "busy" }: { readonly input?: object; readonly kind?: FailureKind } = {},
): Promise<string> {
  const parsed = parsePushUrl(url);
  assert.ok(typeof parsed !== "string", String(parsed));
  const client = await connectHttp({
    url: parsed,
    config: schema.parse(input),
    timeoutMs: 5_000,
    protocol: {
      headers: {},
      isOwn: () => true,
      accepted: () => ({ rejectedPoints: 0, message: "" }),
      reasonOf: () => "",
    },
    settings: testSettings({ clock: systemClock }),
  });
  context.after(() => client.close());
  const answer = await client.post(Buffer.from("hello"), AbortSignal.timeout(10_000));
  assert.ok(answer.kind === kind, JSON.stringify(answer));
  assert.ok(answer.error.startsWith(`${url}: `), answer.error);
  return answer.error;
}

test("errors say that nobody listens, that the name is unknown, or that a server of gRPC is there", async (context) => {
  assert.match(
    await errorOf(context, "http://127.0.0.1:1/"),
    /ECONNREFUSED 127\.0\.0\.1:1; nobody listens there$/,
  );
  assert.match(
    await errorOf(context, "http://nothing.invalid/"),
    /nothing\.invalid; no name server knows the host$/,
  );
  const grpc = await startOtlpServer();
  context.after(() => grpc.close());
  assert.match(
    await errorOf(context, `http://${grpc.endpoint}/`),
    /; a server of HTTP\/2 .* otlp_grpc, 4317\?$/,
  );
});

test("a server that changes the protocol is named, whether it closes the connection or keeps it", async (context) => {
  const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";
  const check = async (answer: HttpAnswer): Promise<void> => {
    const server = await startPushServer(context, { answers: [answer] });
    const error = await errorOf(context, `${server.url}/`);
    assert.match(error, /: 101 Switching Protocols: nobody asked for another protocol$/);
    await poll("the connection to end", () => (server.sockets.size === 0 ? true : undefined));
  };
  await check((request) => request.socket.end(head));
  await check((request) => request.socket.write(head));
});

test("a server of TLS that answers 400 in the clear holds the exporter", async (context) => {
  const words = "Client sent an HTTP request to an HTTPS server";
  const server = await startPushServer(context, {
    answers: [(request) => request.socket.end(`HTTP/1.0 400 Bad Request\r\n\r\n${words}.\n`)],
  });
  assert.equal(
    await errorOf(context, `${server.url}/`, { kind: "hold" }),
    `${server.url}/: 400 Bad Request: ${words}; the server there speaks TLS; begin the endpoint with https://, or use tls`,
  );
});

test("errors say that TLS was sent to a port in the clear, or the other way round", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const plain = await startPushServer(context);
  assert.match(
    await errorOf(context, `${plain.url.replace("http", "https")}/`),
    /; the server there does not speak TLS/,
  );
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "DNS:push.test");
  const read = (name: string): Buffer => readFileSync(authority.file(name));
  const secured = await startPushServer(context, {
    tls: { cert: read("server.crt"), key: read("server.key") },
  });
  assert.match(
    await errorOf(context, `${secured.url.replace("https", "http")}/`),
    /; the server there speaks TLS/,
  );
  const tls = { ca_file: authority.file("ca.crt") };
  assert.match(
    await errorOf(context, `${secured.url}/`, { input: { tls } }),
    /; its certificate is for DNS:push\.test, not for/,
  );
});
