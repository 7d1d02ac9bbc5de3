// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createSecureContext } from "node:tls";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { type ForwardProxyOptions, startForwardProxy } from "../../test/kit/destinations/forward_proxy.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { parseProxyUrl } from "./proxy_url.ts";
import { openTunnel, ProxyError, type TunnelOptions } from "./tunnel.ts";

const TARGET = { host: "otel.test", port: 4317 };
const NEVER = new AbortController().signal;

function optionsFor(url: string, secureContext?: TunnelOptions["secureContext"]): TunnelOptions {
  const proxy = parseProxyUrl(url);
  assert.ok(typeof proxy !== "string", String(proxy));
  return { proxy, target: TARGET, secureContext };
}

/** The port of a server that greets and then echoes. */
async function startEcho(context: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write("hello ");
    socket.pipe(socket);
  });
  context.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function exchange(options: TunnelOptions): Promise<string> {
  const socket = await openTunnel(options, NEVER);
  socket.write("world");
  let heard = "";
  for await (const chunk of socket) {
    heard += String(chunk);
    if (heard.length >= "hello world".length) break;
  }
  return heard;
}

test("bytes go both ways, and the proxy gets the credentials of its URL", async (context) => {
  const proxy = await startForwardProxy(context, { port: await startEcho(context) });
  assert.equal(await exchange(optionsFor(`http://me:hunter2@${proxy.address}`)), "hello world");
  const [asked] = proxy.requests;
  assert.equal(asked?.asked, "CONNECT otel.test:4317");
  assert.equal(asked?.headers.host, "otel.test:4317");
  const credentials = Buffer.from("me:hunter2").toString("base64");
  assert.equal(asked?.headers["proxy-authorization"], `Basic ${credentials}`);
});

test("a proxy of https:// is reached over TLS", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("proxy", "IP:127.0.0.1");
  const read = (name: string): Buffer => readFileSync(authority.file(name));
  const tls = { cert: read("proxy.crt"), key: read("proxy.key") };
  const proxy = await startForwardProxy(context, { port: await startEcho(context), tls });
  const trusting = createSecureContext({ ca: read("ca.crt") });
  assert.equal(await exchange(optionsFor(`https://${proxy.address}`, trusting)), "hello world");
  await assert.rejects(exchange(optionsFor(`https://${proxy.address}`, createSecureContext())), {
    message: `cannot reach proxy ${proxy.address}: unable to verify the first certificate`,
  });
});

test("a proxy that opens no tunnel is named with its answer, but without its credentials", async (context) => {
  const check = async (refusal: string, want: RegExp, status?: number): Promise<void> => {
    const proxy = await startForwardProxy(context, { refusal });
    const error: unknown = await openTunnel(optionsFor(`http://me:hunter2@${proxy.address}`), NEVER).catch(
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof ProxyError);
    assert.equal(error.status, status);
    assert.match(error.message, want);
    assert.ok(error.message.includes(`proxy ${proxy.address}`));
    assert.doesNotMatch(error.message, /hunter2/);
  };
  await check("403 Forbidden", /answered 403 Forbidden to CONNECT otel\.test:4317$/, 403);
  await check("407 Proxy Authentication Required", /407 .*; give the user and password in proxy_url/, 407);
  await check("cut", /did not open a tunnel to otel\.test:4317: socket hang up/);
});

test("a proxy that cannot be reached is named", async () => {
  await assert.rejects(openTunnel(optionsFor("http://127.0.0.1:1"), NEVER), {
    message: "cannot reach proxy 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
  });
});

test("a proxy that hangs is waited for until the signal aborts", async (context) => {
  const options: ForwardProxyOptions = { refusal: "nothing" };
  const proxy = await startForwardProxy(context, options);
  const deadline = new AbortController();
  const tunnel = openTunnel(optionsFor(`http://${proxy.address}`), deadline.signal);
  await poll("the question", () => proxy.requests[0]);
  deadline.abort(new Error("too late"));
  await assert.rejects(tunnel, { message: "too late" });
});
