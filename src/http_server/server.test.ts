// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { get, startListener } from "../../test/kit/component/listener.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { answerText, type Route } from "./server.ts";

test("GET and HEAD are answered, other methods and paths are not", async (context) => {
  const { send } = await startListener(context);
  assert.match(await send(get("/")), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nhello\n$/);
  const head = await send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
    assert.match(await send(get("/").replace("GET", method)), /^HTTP\/1\.1 405 [\s\S]*Allow: GET, HEAD/);
  for (const path of ["/debug/pprof/", "/iptables", "/policy", "/..%2f..%2fetc/passwd", "/%00", "//"])
    assert.match(await send(get(path)), /^HTTP\/1\.1 404 /, path);
});

test("what a client may send has limits, and each says so", async (context) => {
  const { send } = await startListener(context, { limits: { urlBytesMax: 20, headerBytesMax: 2_000 } });
  assert.match(await send(get(`/?${"a".repeat(18)}`)), /^HTTP\/1\.1 200 /);
  assert.match(await send(get(`/?${"a".repeat(19)}`)), /^HTTP\/1\.1 414 [\s\S]*at most 20 bytes/);
  assert.match(await send(get("/", `X: ${"a".repeat(2_000)}\r\n`)), /^HTTP\/1\.1 431 /);
  assert.match(await send(`${get("/", "Content-Length: 5\r\n")}hello`), /^HTTP\/1\.1 413 /);
  assert.match(await send(`${get("/", "Transfer-Encoding: chunked\r\n")}0\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(await send("nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

test("requests past the rate are refused until the next second, to their client alone", async (context) => {
  const clock = new FakeClock();
  const { send, refused, lines } = await startListener(context, {
    limits: { requestsPerSecondMax: 3 },
    clock,
  });
  const statuses = async (from?: string): Promise<string[]> => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(get("/"), from)));
    for (const answer of answers)
      if (answer.startsWith("HTTP/1.1 429")) assert.match(answer, /Retry-After: 1/);
    return answers.map((answer) => answer.slice(9, 12)).sort();
  };
  assert.deepEqual(await statuses(), ["200", "200", "200", "429", "429"]);
  assert.deepEqual(await statuses("127.0.0.2"), ["200", "200", "200", "429", "429"]);
  await clock.advance(1_000);
  assert.deepEqual(await statuses(), ["200", "200", "200", "429", "429"]);
  assert.equal(refused("rate"), 6);
  assert.equal(lines.length, 1, "a flood is one line a minute");
  assert.deepEqual([lines[0]?.["address"], lines[0]?.["reason"]], ["127.0.0.1", "rate"]);
});

test("requests that no route answers have a budget of their own", async (context) => {
  const clock = new FakeClock();
  const { send, refused } = await startListener(context, { limits: { requestsPerSecondMax: 2 }, clock });
  const flood = [get("/x"), get("/").replace("GET", "POST"), get("/", "Content-Length: 5\r\n"), get("/x")];
  const answers: string[] = [];
  for (const request of flood) answers.push((await send(request)).slice(9, 12));
  assert.deepEqual(answers, ["404", "405", "429", "429"]);
  assert.deepEqual(["unknown_path", "method", "rule", "rate"].map(refused), [1, 1, 0, 2]);
  assert.match(await send(get("/")), /^HTTP\/1\.1 200 /);
});

test("health is answered when everything else is refused, also on the connection that floods", async (context) => {
  const live: Route = {
    isHealth: true,
    answer: async (_request, response) => answerText(response, 200, "well"),
  };
  const { send } = await startListener(context, {
    limits: { requestsPerSecondMax: 2 },
    clock: new FakeClock(),
    routes: { "/live": live },
  });
  for (let i = 0; i < 10; i++) assert.match(await send(get("/live")), /well/);
  const page = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const answers = await send(page + page + page + get("/live"));
  assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )\d+|well/g), ["200", "429", "429", "200", "well"]);
  for (let i = 0; i < 10; i++) assert.match(await send(get("/live")), /well/);
});

test("without keep-alives, a connection carries one request", async (context) => {
  const { send } = await startListener(context, { timeouts: { keepAlives: false } });
  const answer = await send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*Connection: close/);
});
