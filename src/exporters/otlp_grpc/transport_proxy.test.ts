// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createTestAuthority } from "../../../test/kit/certificates.ts";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { startForwardProxy } from "../../../test/kit/destinations/forward_proxy.ts";
import {
  type OtlpServer,
  type OtlpServerOptions,
  startOtlpServer,
} from "../../../test/kit/destinations/otlp_server.ts";
import { hasProgram, peerIsThere } from "../../../test/kit/peers.ts";
import { poll } from "../../../test/kit/poll.ts";
import type { Answer } from "../../peer/answer.ts";
import { otlpGrpcSchema } from "./config.ts";
import { openOtlpGrpc } from "./transport.ts";

interface Attempt {
  readonly config: object;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** One attempt to send: what became of it, and what the start said. */
async function attempt(context: TestContext, { config, env = {}, signal }: Attempt) {
  const { logger, lines } = recordedLogger();
  const parsed = otlpGrpcSchema.parse({ endpoint: "otel.test:4317", ...config });
  const connection = await openOtlpGrpc(parsed, testSettings({ logger, env }));
  context.after(() => connection.close());
  const batch = { parts: [Buffer.from("\x0a\x00")], points: 1, bytes: 2 };
  return { answer: await connection.send(batch, signal ?? new AbortController().signal), lines };
}

async function serving(context: TestContext, options: OtlpServerOptions = {}): Promise<OtlpServer> {
  const server = await startOtlpServer(options);
  context.after(() => server.close());
  return server;
}

const portOf = ({ endpoint }: OtlpServer): number => Number(endpoint.split(":")[1]);
const DELIVERED: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };
const PLAIN = { tls: { insecure: true } };

test("calls go through a tunnel, in the clear too, and the proxy looks the name up", async (context) => {
  const server = await serving(context);
  const proxy = await startForwardProxy(context, { port: portOf(server) });
  const env = { HTTPS_PROXY: `http://me:hunter2@${proxy.address}`, HTTP_PROXY: "http://127.0.0.1:1" };
  const { answer, lines } = await attempt(context, { config: PLAIN, env });
  assert.deepEqual(answer, DELIVERED);
  assert.equal(server.requests.length, 1);
  assert.equal(proxy.requests[0]?.asked, "CONNECT otel.test:4317");
  const { endpoint, proxy: named, msg } = lines[0] ?? {};
  assert.deepEqual([endpoint, named, msg], ["otel.test:4317", proxy.address, "Requests go through a proxy."]);
});

test("TLS is spoken with the server, within the tunnel", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "DNS:otel.test");
  const pair = {
    cert_chain: readFileSync(authority.file("server.crt")),
    private_key: readFileSync(authority.file("server.key")),
  };
  const server = await serving(context, { credentials: ServerCredentials.createSsl(null, [pair], false) });
  const proxy = await startForwardProxy(context, { port: portOf(server) });
  const proxy_url = `http://${proxy.address}`;
  const tls = { ca_file: authority.file("ca.crt") };
  assert.deepEqual((await attempt(context, { config: { proxy_url, tls } })).answer, DELIVERED);
  const { answer } = await attempt(context, { config: { proxy_url } });
  assert.ok(answer.kind === "busy");
  assert.match(
    answer.error,
    /^otel\.test:4317 through proxy \S+: UNAVAILABLE: .*give that one's in tls::ca_file$/,
  );
});

test("a proxy's refusal is busy, unless it asks for credentials; both name the proxy", async (context) => {
  const check = async (refusal: string, kind: Answer["kind"], want: RegExp): Promise<void> => {
    const proxy = await startForwardProxy(context, { refusal });
    const config = { ...PLAIN, proxy_url: `http://me:hunter2@${proxy.address}` };
    const { answer } = await attempt(context, { config });
    assert.equal(answer.kind, kind);
    assert.ok(answer.kind !== "delivered");
    assert.match(answer.error, want);
    assert.ok(answer.error.includes(proxy.address));
    assert.doesNotMatch(answer.error, /hunter2/);
  };
  await check("407 Proxy Authentication Required", "hold", /UNAUTHENTICATED: .*answered 407/);
  await check("502 Bad Gateway", "busy", /UNAVAILABLE: .*answered 502/);
  await check("cut", "busy", /UNAVAILABLE: .*socket hang up/);
});

test("a proxy that hangs meets the deadline, and is named", async (context) => {
  const proxy = await startForwardProxy(context, { refusal: "nothing" });
  const deadline = new AbortController();
  const config = { ...PLAIN, proxy_url: `http://${proxy.address}` };
  const attempted = attempt(context, { config, signal: deadline.signal });
  await poll("the question", () => proxy.requests[0]);
  deadline.abort();
  const { answer } = await attempted;
  assert.ok(answer.kind === "busy");
  assert.match(answer.error, /through proxy \S+: DEADLINE_EXCEEDED: no connection within 5000 ms/);
  assert.ok(answer.error.includes(proxy.address));
});

test("loopback is reached directly, whatever the environment says in either spelling", async (context) => {
  const server = await serving(context);
  for (const name of ["HTTPS_PROXY", "https_proxy", "http_proxy", "grpc_proxy"]) {
    const env = { [name]: "http://127.0.0.1:1" };
    const { answer, lines } = await attempt(context, {
      config: { ...PLAIN, endpoint: server.endpoint },
      env,
    });
    assert.deepEqual(answer, DELIVERED, name);
    assert.deepEqual(lines, []);
  }
});
