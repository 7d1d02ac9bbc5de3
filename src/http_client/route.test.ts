// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { startForwardProxy } from "../../test/kit/destinations/forward_proxy.ts";
import { startPushServer } from "../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import type { Answer } from "../peer/answer.ts";
import { connectHttp } from "./client.ts";
import { httpClientOptions, toHttpClientConfig } from "./config.ts";
import { parsePushUrl } from "./url.ts";

const schema = z.strictObject(httpClientOptions).transform(toHttpClientConfig);
const DELIVERED: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };

interface Asked {
  readonly config?: object;
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** One post to the URL: what became of it, and what the start said. */
async function post(
  context: TestContext,
  url: string,
  { config = {}, env = {}, signal = new AbortController().signal }: Asked,
) {
  const parsed = parsePushUrl(url);
  assert.ok(typeof parsed !== "string", String(parsed));
  const { logger, lines } = recordedLogger();
  const client = await connectHttp({
    url: parsed,
    config: schema.parse(config),
    timeoutMs: 5_000,
    protocol: {
      headers: {},
      isOwn: () => true,
      accepted: () => ({ rejectedPoints: 0, message: "" }),
      reasonOf: () => "",
    },
    settings: testSettings({ logger, env }),
  });
  context.after(() => client.close());
  return { answer: await client.post(Buffer.from("hello"), signal), lines };
}

const portOf = (url: string): number => Number(new URL(url).port);

test("http:// goes to the proxy as a request with the whole URL", async (context) => {
  const server = await startPushServer(context);
  const proxy = await startForwardProxy(context, { port: portOf(server.url) });
  const env = { HTTP_PROXY: `http://me:hunter2@${proxy.address}` };
  const { answer, lines } = await post(context, "http://otel.test:4318/v1/metrics", { env });
  assert.deepEqual(answer, DELIVERED);
  assert.equal(server.requests[0]?.body.toString(), "hello");
  const [asked] = proxy.requests;
  assert.equal(asked?.asked, "POST http://otel.test:4318/v1/metrics");
  assert.equal(asked?.headers.host, "otel.test:4318");
  assert.match(String(asked?.headers["proxy-authorization"]), /^Basic /);
  assert.deepEqual(lines, [
    {
      level: 30,
      endpoint: "http://otel.test:4318/v1/metrics",
      proxy: proxy.address,
      msg: "Requests go through a proxy.",
    },
  ]);
});

test("https:// goes through a tunnel, by the certificate of the server and not of the proxy", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "DNS:otel.test");
  const read = (name: string): Buffer => readFileSync(authority.file(name));
  const server = await startPushServer(context, {
    tls: { cert: read("server.crt"), key: read("server.key") },
  });
  const proxy = await startForwardProxy(context, { port: portOf(server.url) });
  const env = { https_proxy: proxy.address };
  const trusting = { tls: { ca_file: authority.file("ca.crt") } };
  assert.deepEqual(
    (await post(context, "https://otel.test:4318/", { config: trusting, env })).answer,
    DELIVERED,
  );
  assert.equal(proxy.requests[0]?.asked, "CONNECT otel.test:4318");
  const { answer } = await post(context, "https://otel.test:4318/", { env });
  assert.partialDeepStrictEqual(answer, { kind: "busy", status: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  assert.equal(
    answer.kind === "busy" && answer.error,
    `https://otel.test:4318/ through proxy ${proxy.address}: unable to verify the first certificate; its certificate is of an authority that is not trusted here; give that one's in tls::ca_file`,
  );
});

test("a proxy's refusal is busy, unless it asks for credentials", async (context) => {
  const check = async (url: string, refusal: string, want: Partial<Answer>): Promise<void> => {
    const proxy = await startForwardProxy(context, { refusal });
    const { answer } = await post(context, url, { config: { proxy_url: `http://${proxy.address}` } });
    assert.partialDeepStrictEqual(answer, want);
    assert.ok(
      answer.kind !== "delivered" && answer.error.includes(`proxy ${proxy.address}`),
      JSON.stringify(answer),
    );
  };
  const asked = "407 Proxy Authentication Required";
  await check("https://otel.test/", asked, { kind: "hold", status: "407" });
  await check("http://otel.test/", asked, { kind: "hold", status: "407" });
  await check("https://otel.test/", "403 Forbidden", { kind: "busy", status: "403" });
  await check("https://otel.test/", "cut", { kind: "busy", status: "proxy" });
});

test("an attempt ends with its signal, though the proxy says nothing", async (context) => {
  const proxy = await startForwardProxy(context, { refusal: "nothing" });
  const config = { proxy_url: `http://${proxy.address}` };
  const attempt = new AbortController();
  const posted = post(context, "https://otel.test/", { config, signal: attempt.signal });
  await poll("the proxy to be asked", () => proxy.requests[0]);
  attempt.abort();
  assert.deepEqual((await posted).answer, {
    kind: "busy",
    status: "timeout",
    error: `https://otel.test/ through proxy ${proxy.address}: no answer within 5000 ms`,
  });
});

test("loopback and unix sockets are reached directly, unless proxy_url says otherwise", async (context) => {
  const server = await startPushServer(context);
  const proxy = await startForwardProxy(context, { port: portOf(server.url) });
  const env = { HTTP_PROXY: `http://${proxy.address}` };
  assert.deepEqual((await post(context, server.url, { env })).answer, DELIVERED);
  assert.deepEqual(proxy.requests, []);
  const config = { proxy_url: `http://${proxy.address}` };
  assert.deepEqual((await post(context, server.url, { config })).answer, DELIVERED);
  assert.equal(proxy.requests.length, 1);
  const { answer } = await post(context, "unix:///nonexistent/push.sock", { config, env });
  assert.partialDeepStrictEqual(answer, { status: "ENOENT" });
  assert.equal(proxy.requests.length, 1);
});

test("a variable that names no proxy fails the start", async (context) => {
  const env = { HTTP_PROXY: "socks5://proxy.example:1080" };
  await assert.rejects(
    post(context, "http://otel.test/", { env }),
    /cannot use the environment's HTTP_PROXY/,
  );
  const config = { proxy_url: "none" };
  const { answer } = await post(context, "http://127.0.0.1:1/", { env, config });
  assert.partialDeepStrictEqual(answer, { status: "ECONNREFUSED" });
});
