// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { constants } from "node:http2";
import { type TestContext, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import {
  page,
  reset,
  startGrpcWireServer,
  status,
  type WireAnswer,
} from "../../test/kit/destinations/grpc_wire_server.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { fromSnappyFrames } from "../compression/snappy_frames.ts";
import { GrpcClient, type GrpcClientOptions, type UnaryAnswer } from "./client.ts";
import { GrpcConnector } from "./connector.ts";
import { GrpcPeers, systemLookup } from "./peers.ts";
import { codeName } from "./status.ts";

const NEVER = new AbortController().signal;

function clientOf(context: TestContext, port: number, change: Partial<GrpcClientOptions> = {}): GrpcClient {
  const clock = new FakeClock();
  const target = { host: "127.0.0.1", port };
  const connector = new GrpcConnector({
    ...{
      host: "127.0.0.1",
      tls: undefined,
      proxy: undefined,
      secureContext: undefined,
      keepalive: undefined,
    },
    clock,
  });
  const peers = new GrpcPeers({
    ...{ target, connector, balancer: "pick_first", isResolvedElsewhere: false, lookup: systemLookup, clock },
  });
  const client = new GrpcClient({
    ...{ peers, clock, authority: "otel.test", isTls: false, encoding: "identity", userAgent: "me" },
    waitForReady: false,
    ...change,
  });
  context.after(() => client.close());
  return client;
}

const call = (client: GrpcClient, signal = NEVER): Promise<UnaryAnswer> =>
  client.unary({
    path: "/a.B/C",
    parts: [Buffer.from("hello "), Buffer.from("world")],
    headers: { Authorization: "Bearer x" },
    timeoutMs: 5_000,
    signal,
  });

const shown = (answer: UnaryAnswer): string =>
  answer.ok ? "OK" : `${codeName(answer.failure.code)}: ${answer.failure.details}`;

/** The result of a call with this answer. */
async function answered(context: TestContext, answers: readonly WireAnswer[], change = {}): Promise<string> {
  const server = await startGrpcWireServer(context, { answers });
  return shown(await call(clientOf(context, server.port, change)));
}

test("a call goes out as gRPC asks for", async (context) => {
  const server = await startGrpcWireServer(context);
  assert.deepEqual(await call(clientOf(context, server.port)), { ok: true, message: Buffer.alloc(0) });
  const [got] = server.calls;
  assert.partialDeepStrictEqual(got?.headers, {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/a.B/C",
    ":authority": "otel.test",
    te: "trailers",
    "content-type": "application/grpc+proto",
    "user-agent": "me",
    "grpc-timeout": "5000m",
    authorization: "Bearer x",
  });
  assert.equal(got?.headers["grpc-encoding"], undefined);
  assert.equal(got?.frame.toString("latin1"), "\0\0\0\0\x0bhello world");
});

test("messages are compressed with zstd and with snappy's frames", async (context) => {
  const check = async (encoding: "zstd" | "snappy", read: (bytes: Buffer) => Buffer): Promise<void> => {
    const server = await startGrpcWireServer(context);
    assert.equal(shown(await call(clientOf(context, server.port, { encoding }))), "OK");
    const [got] = server.calls;
    assert.equal(got?.headers["grpc-encoding"], encoding);
    assert.equal(read(got?.frame.subarray(5) ?? Buffer.alloc(0)).toString(), "hello world");
  };
  await check("zstd", zstdDecompressSync);
  await check("snappy", (bytes) => fromSnappyFrames(bytes, 100));
});

test("a server that does not know the encoding makes an error with the option's name", async (context) => {
  const check = async (headers: Record<string, string>, want: string): Promise<void> =>
    assert.equal(
      await answered(context, [status(12, headers)], { encoding: "zstd" }),
      `UNIMPLEMENTED: ${want}`,
    );
  await check(
    { "grpc-message": "no such encoding", "grpc-accept-encoding": "identity,gzip" },
    "no such encoding; the server does not know compression: zstd, but identity,gzip",
  );
  await check(
    { "grpc-message": "unknown encoding" },
    "unknown encoding; set compression to another one than zstd",
  );
  await check({ "grpc-message": "no such service", "grpc-accept-encoding": "gzip, zstd" }, "no such service");
  await check({ "grpc-message": "no such service" }, "no such service");
});

test("a server that resets a stream of an encoding that is new to it makes an error that says so", async (context) => {
  const resets = [reset(constants.NGHTTP2_INTERNAL_ERROR)];
  const plain = "UNAVAILABLE: the server reset the stream with INTERNAL_ERROR";
  assert.equal(await answered(context, resets, { encoding: "gzip" }), plain);
  const want = `${plain}; it may not know compression: snappy, try gzip`;
  assert.equal(await answered(context, resets, { encoding: "snappy" }), want);
});

test("answers that are not gRPC, and streams that are reset, are errors that say so", async (context) => {
  assert.equal(
    await answered(context, [page(404)]),
    "UNIMPLEMENTED: the answer is not of gRPC: HTTP status 404, text/html",
  );
  assert.equal(
    await answered(context, [reset(constants.NGHTTP2_ENHANCE_YOUR_CALM)]),
    "UNAVAILABLE: the server reset the stream with ENHANCE_YOUR_CALM",
  );
  const unfinished: WireAnswer = (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.end(Buffer.alloc(5));
  };
  assert.equal(
    await answered(context, [unfinished]),
    "UNAVAILABLE: the server ended its answer without a status",
  );
  const cut: WireAnswer = (_stream, session) => session.destroy();
  assert.match(await answered(context, [cut]), /^UNAVAILABLE: /);
});

test("a call that the server has refused to look at is sent once more, and no other is", async (context) => {
  const refuse = reset(constants.NGHTTP2_REFUSED_STREAM);
  assert.equal(await answered(context, [refuse, status(0)]), "OK");
  assert.equal(
    await answered(context, [refuse, refuse, status(0)]),
    "UNAVAILABLE: the server reset the stream with REFUSED_STREAM",
  );
  assert.equal(await answered(context, [status(14), status(0)]), "UNAVAILABLE: ");
});

test("a server that goes away lets calls end, and the next one makes a connection", async (context) => {
  let finish = (): void => {};
  const later: WireAnswer = (stream, session) => {
    finish = () => status(0)(stream, session);
  };
  const server = await startGrpcWireServer(context, { answers: [later, status(0)] });
  const client = clientOf(context, server.port);
  const first = call(client);
  await poll("the call", () => server.calls[0]);
  server.goAway();
  finish();
  assert.equal(shown(await first), "OK");
  assert.equal(shown(await call(client)), "OK");
  assert.equal(server.connections(), 2);
});

test("a call ends with its signal, and says whether its deadline has passed", async (context) => {
  const check = async (reason: unknown, want: string): Promise<void> => {
    const server = await startGrpcWireServer(context, { answers: [() => {}] });
    const attempt = new AbortController();
    const late = call(clientOf(context, server.port), attempt.signal);
    await poll("the call", () => server.calls[0]);
    attempt.abort(reason);
    assert.equal(shown(await late), want);
  };
  const isLate = "DEADLINE_EXCEEDED: no answer within 5000 ms";
  await check(undefined, isLate);
  await check(new Error("timeout"), isLate);
  await check(new Error("shutdown"), "CANCELLED: the attempt was broken off");
});

test("with wait_for_ready a call waits for a server until there is one", async (context) => {
  const { port } = await startGrpcWireServer(context);
  const clock = new FakeClock();
  let isThere = false;
  const lookup = async (): Promise<readonly string[]> => (isThere ? ["127.0.0.1"] : []);
  const connector = new GrpcConnector({
    ...{
      host: "a.test",
      tls: undefined,
      proxy: undefined,
      secureContext: undefined,
      keepalive: undefined,
      clock,
    },
  });
  const target = { host: "a.test", port };
  const peers = new GrpcPeers({
    target,
    connector,
    balancer: "round_robin",
    isResolvedElsewhere: false,
    lookup,
    clock,
  });
  const waiting = call(clientOf(context, port, { peers, clock, waitForReady: true }));
  const impatient = shown(await call(clientOf(context, port, { peers, clock })));
  assert.equal(impatient, 'UNAVAILABLE: cannot find the address of "a.test": it has none');
  isThere = true;
  await poll("the pause", () => clock.timerCount > 0 || undefined);
  await clock.advance(1_000);
  assert.equal(shown(await waiting), "OK");
});
