// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { createNoopMeter } from "@opentelemetry/api";
import fc from "fast-check";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { systemClock } from "../clock/clock.ts";
import { defaultServerLimits, defaultServerTimeouts } from "./config.ts";
import { Rejections } from "./rejections.ts";
import { originForm } from "./request_rules.ts";
import { answerText, HttpServer, type Route } from "./server.ts";

/** A listener on loopback that says what it was asked, and counts what was changed. */
async function serving(context: TestContext, allowedHosts?: readonly string[]) {
  let changes = 0;
  const routes = new Map<string, Route>([
    ["/", async (request, response) => answerText(response, 200, `asked ${request.url}`)],
    [
      "/change",
      {
        method: "POST",
        answer: async (_request, response) => {
          changes++;
          answerText(response, 200, "changed");
        },
      },
    ],
  ]);
  const server = new HttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    route: (path) => routes.get(path),
    limits: { ...defaultServerLimits, requestsPerSecondMax: 1_000_000 },
    timeouts: defaultServerTimeouts,
    allowedHosts,
    clock: systemClock,
    rejections: new Rejections({
      listener: "here",
      logger: recordedLogger().logger,
      clock: systemClock,
      meter: createNoopMeter(),
    }),
    onError: (error) => assert.fail(error),
  });
  await server.listen();
  context.after(() => server.close(AbortSignal.abort()));
  const [address] = server.addresses;
  assert.ok(address !== undefined && "port" in address);
  const { port } = address;
  return {
    port,
    changes: () => changes,
    /** Sends the bytes, and returns all that came until the end. */
    async send(bytes: string): Promise<string> {
      const socket = connect(port, "127.0.0.1");
      const chunks: Buffer[] = [];
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", () => {});
      socket.end(bytes, "latin1");
      await once(socket, "close");
      return Buffer.concat(chunks).toString("latin1");
    },
  };
}

const head = (line: string, ...headers: readonly string[]): string =>
  [line, "Connection: close", ...headers, "", ""].join("\r\n");
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);

test("a head that can be read in two ways is refused", async (context) => {
  const { send } = await serving(context);
  const check = async (want: number, line: string, ...headers: readonly string[]): Promise<void> =>
    assert.equal(statusOf(await send(head(line, ...headers))), want, [line, ...headers].join(" | "));
  const get = "GET / HTTP/1.1";
  await check(200, get, "Host: localhost");
  await check(400, get);
  await check(400, get, "Host:");
  await check(400, get, "Host: localhost", "Host: localhost");
  await check(400, get, "Host: localhost", "hOST: evil.example");
  await check(400, get, "Host: localhost, evil.example");
  await check(400, get, "Host: user@localhost");
  await check(400, get, "Host: localhost", " evil.example");
  await check(400, get, "Host : localhost");
  await check(400, get, "Host: localhost", "Authorization: Basic YQ==", "authorization: Basic Yg==");
  await check(400, get, "Host: localhost", "Content-Length: 0", "Content-Length: 0");
  await check(400, get, "Host: localhost", "Content-Length: 0", "Transfer-Encoding: chunked");
  await check(413, get, "Host: localhost", "Transfer-Encoding: identity");
  await check(413, get, "Host: localhost", "Expect: 100-continue", "Content-Length: 3");
  await check(505, "GET / HTTP/0.9", "Host: localhost");
  await check(200, "GET / HTTP/1.0");
  await check(400, "POST /change HTTP/1.0");
});

test("a target with a host is judged by that host, and answered by its path", async (context) => {
  const { send } = await serving(context);
  const check = async (target: string, host: string, want: number): Promise<void> =>
    assert.equal(statusOf(await send(head(`GET ${target} HTTP/1.1`, `Host: ${host}`))), want, target);
  await check("http://localhost/", "localhost", 200);
  await check("HTTP://LocalHost:80/?a", "localhost:80", 200);
  await check("http://evil.example/", "evil.example", 421);
  await check("http://evil.example/", "localhost", 400);
  await check("http://localhost/", "evil.example", 400);
  await check("http://user@localhost/", "localhost", 400);
  await check("ftp://localhost/", "localhost", 400);
  await check("//localhost/", "localhost", 404);
  assert.equal(originForm("http://a?b"), "/?b");
  assert.equal(originForm("http://a"), "/");
  assert.equal(originForm("/a?http://b/"), "/a?http://b/");
  assert.match(await send(head("GET http://localhost?a=1 HTTP/1.1", "Host: localhost")), /asked \/\?a=1\n$/);
});

test("no web page of another site and no request for a foreign host can change anything", async (context) => {
  const { send, port, changes } = await serving(context);
  const own = `Host: localhost:${port}`;
  const check = async (want: number, ...headers: readonly string[]): Promise<void> => {
    const before = changes();
    assert.equal(statusOf(await send(head("POST /change HTTP/1.1", ...headers))), want, headers.join(" | "));
    assert.equal(changes() - before, want === 200 ? 1 : 0, headers.join(" | "));
  };
  await check(200, own);
  await check(200, `Host: 127.0.0.1:${port}`);
  await check(200, own, "Sec-Fetch-Site: none");
  await check(200, own, "Sec-Fetch-Site: same-origin", `Origin: http://localhost:${port}`);
  for (const site of ["cross-site", "same-site", "new-kind"])
    await check(403, own, `Sec-Fetch-Site: ${site}`);
  for (const origin of [
    "http://evil.example",
    "null",
    "",
    `http://localhost:${port + 1}`,
    "http://localhost",
    "file://",
  ])
    await check(403, own, `Origin: ${origin}`);
  // The page's own name leads here: to the browser, this is the page's own site.
  const rebound = `evil.example:${port}`;
  await check(421, `Host: ${rebound}`, "Sec-Fetch-Site: same-origin", `Origin: http://${rebound}`);
  const text = await send(head("GET / HTTP/1.1", `Host: ${rebound}`));
  assert.match(text, /^HTTP\/1\.1 421 [\s\S]*this host is not served here; .*allowed_hosts\n$/);
});

test("hosts that the config names are answered, by POST as well", async (context) => {
  const { send } = await serving(context, ["agent.example"]);
  const check = async (line: string, host: string, want: number): Promise<void> =>
    assert.equal(statusOf(await send(head(line, `Host: ${host}`))), want, host);
  await check("POST /change HTTP/1.1", "agent.example:8090", 200);
  await check("POST /change HTTP/1.1", "other.example", 421);
  await check("GET / HTTP/1.1", "other.example", 421);
  await check("GET / HTTP/1.1", "node-1", 421);
});

/** Header lines as an attacker may write them. */
const oddLine = fc
  .tuple(
    fc.constantFrom(
      "Host",
      "hOsT",
      "Origin",
      "Sec-Fetch-Site",
      "Content-Length",
      "Transfer-Encoding",
      "X",
      "Expect",
    ),
    fc.constantFrom(":", ": ", ":\t", " : ", ": \t"),
    fc.constantFrom(
      ...[
        "localhost",
        "127.0.0.1",
        "evil.example",
        "[::1]:80",
        "localhost,evil.example",
        "evil.example@localhost",
      ],
      ...[
        "",
        "0",
        "1",
        "+0",
        "chunked",
        "identity",
        "same-origin",
        "cross-site",
        "http://localhost",
        "100-continue",
      ],
    ),
    fc.constantFrom("\r\n", "\r\n ", "\n", "\r", "\r\n\t", "\0\r\n", ""),
  )
  .map((parts) => parts.join(""));

const oddHead = fc.record({
  method: fc.constantFrom("POST", "GET", "HEAD", "post", "OPTIONS", "PUT"),
  target: fc.constantFrom(
    ...[
      "/change",
      "/",
      "/change?a",
      "http://localhost/change",
      "http://evil.example/change",
      "//evil.example/change",
    ],
    ...["*", "http://evil.example@localhost/change", "/change#a"],
  ),
  version: fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0"),
  host: fc.constantFrom("Host: localhost\r\n", "Host: evil.example\r\n", "host:127.0.0.1\r\n", ""),
  lines: fc.array(oddLine, { maxLength: 3 }),
});

test("any head gets at most one answer, and no head for a foreign host changes anything", async (context) => {
  const { send, changes } = await serving(context);
  let changed = 0;
  await fc.assert(
    fc.asyncProperty(oddHead, async ({ method, target, version, host, lines }) => {
      const before = changes();
      const bytes = `${method} ${target} ${version}\r\nConnection: close\r\n${host}${lines.join("")}\r\n`;
      const answer = await send(bytes);
      const statuses = answer.match(/^HTTP\/1\.\d \d{3}/gm) ?? [];
      assert.ok(statuses.length <= 1, `${JSON.stringify(bytes)} has the answers ${statuses}`);
      changed += changes() - before;
      // Read as the most lenient proxy would: a foreign host anywhere in it is one that somebody may go by.
      const isForeign = /evil/.test(bytes.replace(/^x *:.*$/gim, ""));
      if (isForeign) assert.equal(changes(), before, JSON.stringify(bytes));
    }),
    { numRuns: 1_000, seed: 11 },
  );
  assert.ok(changed > 0, "some of the heads are honest");
});
