// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import { testSettings } from "../../test/kit/component/settings.ts";
import {
  answering,
  type HttpAnswer,
  type PushServer,
  startPushServer,
} from "../../test/kit/destinations/push_server.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Answer } from "../peer/answer.ts";
import { connectHttp, type HttpPushClient, type PushProtocol } from "./client.ts";
import { httpClientOptions, toHttpClientConfig } from "./config.ts";
import { parsePushUrl } from "./url.ts";

const PROTOCOL: PushProtocol = {
  headers: { "Content-Type": "text/plain" },
  isOwn: ({ contentType }) => contentType !== "text/html",
  accepted: ({ body, isComplete, contentType }) => ({
    rejectedPoints: 0,
    message: isComplete ? `${contentType} ${body}`.trim() : "incomplete",
  }),
  reasonOf: ({ body }) => body.toString(),
};

const schema = z.strictObject(httpClientOptions).transform(toHttpClientConfig);

async function connect(context: TestContext, url: string, input: object = {}): Promise<HttpPushClient> {
  const parsed = parsePushUrl(url);
  assert.ok(typeof parsed !== "string", String(parsed));
  const client = await connectHttp({
    url: parsed,
    config: schema.parse(input),
    timeoutMs: 5_000,
    protocol: PROTOCOL,
    settings: testSettings({
      clock: new FakeClock(Date.UTC(2026, 10, 23)),
      build: { command: "kata-collector", description: "", version: "1.2.3" },
    }),
  });
  context.after(() => client.close());
  return client;
}

const never = (): AbortSignal => new AbortController().signal;
const post = (client: HttpPushClient, signal = never()): Promise<Answer> =>
  client.post(Buffer.from("hello"), signal);

/** The outcome of one request that is answered so. */
async function outcomeOf(context: TestContext, answer: HttpAnswer): Promise<Answer> {
  const server = await startPushServer(context, { answers: [answer] });
  return await post(await connect(context, server.url));
}

const DELIVERED: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };

test("a body arrives under the path and query of the URL, with all headers", async (context) => {
  const server = await startPushServer(context);
  const headers = { Authorization: "Bearer abc", "User-Agent": "me", Host: "otel.example" };
  const client = await connect(context, `${server.url}/a/b?c=d`, { headers });
  assert.deepEqual(await post(client), DELIVERED);
  const [request] = server.requests;
  assert.equal(request?.method, "POST");
  assert.equal(request?.path, "/a/b?c=d");
  assert.equal(request?.body.toString(), "hello");
  assert.partialDeepStrictEqual(request?.headers, {
    authorization: "Bearer abc",
    "user-agent": "me",
    host: "otel.example",
    "content-type": "text/plain",
    "content-length": "5",
  });
  await post(await connect(context, server.url));
  assert.match(String(server.requests[1]?.headers["user-agent"]), /^kata-collector\/1\.2\.3 \(\w+\/\w+\)$/);
});

test("a unix socket is an endpoint", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "push-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, "push.sock");
  const server = await startPushServer(context, { socketPath });
  assert.deepEqual(await post(await connect(context, server.url)), DELIVERED);
  assert.equal(server.requests[0]?.headers.host, "localhost");
});

test("a status means what the table says, and the URL and the server's reason are in the error", async (context) => {
  const check = async (answer: HttpAnswer, want: RegExp, kind: string, rest: object = {}): Promise<void> => {
    const { error, ...outcome } = { error: "", ...(await outcomeOf(context, answer)) };
    assert.match(error, want);
    assert.deepEqual(outcome, { kind, ...rest });
  };
  const at = "^http://127\\.0\\.0\\.1:\\d+/: ";
  const full = answering(500, {}, "full");
  await check(full, RegExp(`${at}500 Internal Server Error: full$`), "busy", { status: "500" });
  const old = answering(400, {}, "too old");
  await check(old, RegExp(`${at}400 Bad Request: too old$`), "split", { status: "400" });
  const large = { status: "413", isTooLarge: true };
  await check(answering(413), RegExp(`${at}413 Payload Too Large$`), "split", large);
  const said = answering(400, {}, "received message larger than max (5 vs 4)");
  await check(said, /larger than max/, "split", { status: "400", isTooLarge: true });
  await check(answering(401), RegExp(`${at}401 Unauthorized$`), "hold", { status: "401" });
  const moved = answering(307, { location: "https://else.example/" });
  const words =
    '307 Temporary Redirect: redirects are not followed; this one leads to "https://else.example/"$';
  await check(moved, RegExp(at + words), "hold", { status: "307" });
  const page = answering(200, { "content-type": "text/html; charset=utf-8" }, "<html>\n<h1>It works!</h1>");
  const web =
    '200 OK: an answer of type "text/html" is not the receiver\'s; it begins "<html> <h1>It works!</h1>"$';
  await check(page, RegExp(at + web), "hold", { status: "200" });
  const taken = await outcomeOf(context, answering(202, { "content-type": "Text/Plain; a=b" }, "thanks"));
  assert.deepEqual(taken, { kind: "delivered", rejectedPoints: 0, message: "text/plain thanks" });
});

test("Retry-After is used, in seconds or as a date", async (context) => {
  const delayOf = async (value: string): Promise<number | undefined> => {
    const outcome = await outcomeOf(context, answering(503, { "retry-after": value }));
    assert.ok(outcome.kind === "busy");
    return outcome.delayMs;
  };
  assert.equal(await delayOf("7"), 7_000);
  assert.equal(await delayOf("Mon, 23 Nov 2026 00:01:00 GMT"), 60_000);
  assert.equal(await delayOf("soon"), undefined);
});

test("an answer that is too long, or is cut off, counts by its status", async (context) => {
  const endless: HttpAnswer = (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on("drain", more);
    more();
  };
  const server = await startPushServer(context, { answers: [endless] });
  const taken = { ...DELIVERED, message: "incomplete" };
  assert.deepEqual(await post(await connect(context, server.url)), taken);
  await poll("the connection to end", () => (server.sockets.size === 0 ? true : undefined));
  const cut: HttpAnswer = (request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("abc", () => request.socket.destroy());
  };
  assert.deepEqual(await outcomeOf(context, cut), taken);
});

test("without an answer the failure may pass: no server, a closed connection, no HTTP, a deadline, a shutdown", async (context) => {
  const absent = await post(await connect(context, "unix:///nonexistent/push.sock"));
  assert.ok(absent.kind === "busy");
  assert.equal(absent.status, "ENOENT");
  const hangUp = await outcomeOf(context, (request) => request.socket.destroy());
  assert.partialDeepStrictEqual(hangUp, { kind: "busy", status: "ECONNRESET" });
  const noise = await outcomeOf(context, (request) => request.socket.end("hello\r\n\r\n"));
  assert.ok(noise.kind === "busy");
  assert.match(noise.status, /^HPE_/);

  const ended = async (reason: unknown, want: object): Promise<void> => {
    const server = await startPushServer(context, { answers: [() => {}] });
    const attempt = new AbortController();
    const answer = post(await connect(context, server.url), attempt.signal);
    await poll("the request", () => server.requests[0]);
    attempt.abort(reason);
    const { error, ...rest } = { error: "", ...(await answer) };
    assert.deepEqual({ ...rest, error: error.replace(server.url, "") }, { kind: "busy", ...want });
  };
  await ended(undefined, { status: "timeout", error: "/: no answer within 5000 ms" });
  await ended(new Error("shutdown"), { status: "shutdown", error: "/: the attempt was broken off" });
});

test("connections are kept, up to the limits", async (context) => {
  const count = async (input: object, together: number): Promise<PushServer> => {
    const server = await startPushServer(context);
    const client = await connect(context, server.url, input);
    await post(client);
    await Promise.all(Array.from({ length: together }, () => post(client)));
    assert.equal(server.requests.length, together + 1);
    return server;
  };
  assert.equal((await count({}, 1)).connections(), 1);
  assert.equal((await count({ disable_keep_alives: true }, 1)).connections(), 2);
  assert.equal((await count({ max_conns_per_host: 1 }, 5)).connections(), 1);
  const server = await count({ max_idle_conns: 3, max_idle_conns_per_host: 1 }, 5);
  assert.equal(server.connections(), 5);
  await poll("one connection to be left", () => (server.sockets.size === 1 ? true : undefined));
});

test("a connection that nobody needs is closed", async (context) => {
  const server = await startPushServer(context);
  await post(await connect(context, server.url, { idle_conn_timeout: "20ms" }));
  await poll("the connection to end", () => (server.sockets.size === 0 ? true : undefined));
});

/** A server without HTTP's manners: it answers the first request of a connection, and hangs up at the second. */
async function startRudeServer(context: TestContext, answersAtAll: boolean) {
  let requests = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let isFirst = answersAtAll;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      if (!/^(POST |hello)/.test(String(chunk))) socket.destroy();
      if (!chunk.includes("hello")) return;
      requests++;
      if (isFirst) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      else socket.resetAndDestroy();
      isFirst = false;
    });
  });
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests: () => requests, sockets };
}

test("a request whose kept connection ends is sent on another one; the end of a new connection is a failure", async (context) => {
  const closing = await startRudeServer(context, true);
  const client = await connect(context, closing.url);
  assert.deepEqual(await post(client), DELIVERED);
  assert.deepEqual(await post(client), DELIVERED);
  assert.equal(closing.requests(), 3);
  assert.equal(closing.sockets.size, 2);
  const rude = await startRudeServer(context, false);
  const outcome = await post(await connect(context, rude.url));
  assert.partialDeepStrictEqual(outcome, { kind: "busy", status: "ECONNRESET" });
  assert.equal(rude.requests(), 1);
});

test("close lets running requests end, and leaves no connection", async (context) => {
  let finish = (): void => {};
  const server = await startPushServer(context, {
    answers: [
      (_request, response) => {
        finish = () => response.end();
      },
    ],
  });
  const client = await connect(context, server.url);
  const outcome = post(client);
  await poll("the request", () => server.requests[0]);
  client.close();
  finish();
  assert.deepEqual(await outcome, DELIVERED);
  await poll("the connection to end", () => (server.sockets.size === 0 ? true : undefined));
});
