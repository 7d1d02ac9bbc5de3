import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { type Clock, systemClock } from "../clock/clock.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { defaultServerLimits } from "./config.ts";
import { answerText, HttpServer, type ServerLimits } from "./server.ts";

/** Starts a server that says hello, and returns what sends bytes to it and gives all that came until the end. */
async function serving(
  context: TestContext,
  limits: Partial<ServerLimits> = {},
  clock: Clock = systemClock,
): Promise<(request: string) => Promise<string>> {
  const server = new HttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    route: (path) =>
      path === "/" ? async (_request, response) => answerText(response, 200, "hello") : undefined,
    limits: { ...defaultServerLimits, ...limits },
    clock,
    onError: () => {},
  });
  await server.listen();
  context.after(() => server.close(AbortSignal.abort()));
  const [address] = server.addresses;
  return async (request) => {
    assert.ok(address !== undefined && "port" in address);
    const socket = connect(address.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.write(request);
    await new Promise((resolve) => socket.once("close", resolve));
    return Buffer.concat(chunks).toString();
  };
}

const get = (target: string, more = ""): string =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;

test("GET and HEAD are answered, other methods and paths are not", async (context) => {
  const send = await serving(context);
  assert.match(await send(get("/")), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nhello\n$/);
  const head = await send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
    assert.match(await send(get("/").replace("GET", method)), /^HTTP\/1\.1 405 [\s\S]*Allow: GET, HEAD/);
  for (const path of ["/debug/pprof/", "/iptables", "/policy", "/..%2f..%2fetc/passwd", "/%00", "//"])
    assert.match(await send(get(path)), /^HTTP\/1\.1 404 /, path);
});

test("what a client may send has limits, and each says so", async (context) => {
  const send = await serving(context, { urlBytesMax: 20, headerBytesMax: 2_000 });
  assert.match(await send(get(`/?${"a".repeat(18)}`)), /^HTTP\/1\.1 200 /);
  assert.match(await send(get(`/?${"a".repeat(19)}`)), /^HTTP\/1\.1 414 [\s\S]*at most 20 bytes/);
  assert.match(await send(get("/", `X: ${"a".repeat(2_000)}\r\n`)), /^HTTP\/1\.1 431 /);
  assert.match(await send(`${get("/", "Content-Length: 5\r\n")}hello`), /^HTTP\/1\.1 413 /);
  assert.match(await send(`${get("/", "Transfer-Encoding: chunked\r\n")}0\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(await send("nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

test("requests past the rate are refused until the next second", async (context) => {
  const clock = new FakeClock();
  const send = await serving(context, { requestsPerSecondMax: 3 }, clock);
  const statuses = async (): Promise<string[]> => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(get("/"))));
    for (const answer of answers)
      if (answer.startsWith("HTTP/1.1 429")) assert.match(answer, /Retry-After: 1/);
    return answers.map((answer) => answer.slice(9, 12)).sort();
  };
  assert.deepEqual(await statuses(), ["200", "200", "200", "429", "429"]);
  await clock.advance(1_000);
  assert.deepEqual(await statuses(), ["200", "200", "200", "429", "429"]);
});

test("a request that does not arrive is given up", async (context) => {
  const send = await serving(context, { requestTimeoutMs: 200 });
  assert.match(await send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "), /^HTTP\/1\.1 408 |^$/);
});

test("connections past the limit are closed at once", async (context) => {
  const send = await serving(context, { connectionsMax: 1, requestTimeoutMs: 500 });
  const held = send("GET / HTTP/1.1\r\n");
  assert.equal(await send(get("/")), "");
  await held;
});
