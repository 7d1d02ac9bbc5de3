// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { poll } from "../../../../test/kit/poll.ts";
import { FakeClock } from "../../../clock/fake_clock.ts";
import { shortSocketPath } from "../../../sockets/short_path.ts";
import { PageMemory } from "./page_buffer.ts";
import { type AskOptions, type ScrapeOutcome, Scraper } from "./scrape.ts";

interface Scene {
  readonly dir: string;
  readonly path: string;
  readonly server: Server;
  readonly sockets: readonly Socket[];
  readonly requests: readonly string[];
  readonly clock: FakeClock;
  readonly cancel: AbortController;
  readonly memory: PageMemory;
  scrape(path?: string, options?: AskOptions): Promise<ScrapeOutcome>;
}

/** A shim that does what `answer` does to each connection, and a scraper of it. */
async function withShim(
  answer: (socket: Socket) => void,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "scrape-"));
  const path = join(dir, "shim-monitor.sock");
  const sockets: Socket[] = [];
  const requests: string[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    let request = "";
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      request += bytes.toString("latin1");
      if (!request.endsWith("\r\n\r\n")) return;
      requests.push(request);
      answer(socket);
    });
  }).listen(path);
  await once(server, "listening");
  const clock = new FakeClock();
  const memory = new PageMemory(1_000_000);
  const options = { clock, timeoutMs: 5_000, headerBytesMax: 1_000, bodyBytesMax: 400_000, memory };
  const scraper = new Scraper(options);
  const cancel = new AbortController();
  const scrape: Scene["scrape"] = (to = path, asking = {}) => scraper.scrape(to, cancel.signal, asking);
  try {
    await play({ dir, path, server, sockets, requests, clock, cancel, memory, scrape });
    assert.equal(clock.timerCount, 0, "a timer is left");
    await poll("all connections to close", () => sockets.every(({ destroyed }) => destroyed) || undefined);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const HEAD = "HTTP/1.1 200 OK\r\n";

async function checkPage(outcome: Promise<ScrapeOutcome>, want: string): Promise<void> {
  const got = await outcome;
  assert.ok(got.ok, JSON.stringify(got));
  assert.equal(got.page.toString("latin1", 0, got.length), want);
  assert.ok(got.page.length >= got.length + 16);
}

async function checkFault(outcome: Promise<ScrapeOutcome>, want: string): Promise<void> {
  const got = await outcome;
  assert.ok(!got.ok);
  assert.equal(got.fault, want, got.text);
  assert.notEqual(got.text, "");
}

test("one request for the page is sent, and the page comes whole though the shim keeps the connection", () =>
  withShim(
    (socket) => socket.write(`${HEAD}Content-Length: 4\r\n\r\na 1\n`),
    async ({ scrape, requests }) => {
      await checkPage(scrape(), "a 1\n");
      await checkPage(scrape(), "a 1\n");
      assert.equal(requests.length, 2);
      assert.match(requests[0] ?? "", /^GET \/metrics HTTP\/1\.1\r\n(?:.+\r\n)*Connection: close\r\n/);
    },
  ));

test("a shim that may not be asked any more when the connection is made gets no byte, and the scrape ends", () =>
  withShim(
    (socket) => socket.end(`${HEAD}Content-Length: 4\r\n\r\na 1\n`),
    async ({ path, scrape, server, sockets, requests }) => {
      const connected = once(server, "connection");
      await checkFault(scrape(path, { maySend: () => false }), "missing");
      await connected;
      await poll("the connection to close", () => sockets[0]?.destroyed || undefined);
      assert.deepEqual(requests, []);
      let questions = 0;
      await checkPage(scrape(path, { maySend: () => ++questions === 1 }), "a 1\n");
      assert.equal(questions, 1);
    },
  ));

test("a request asks for one of two pages", () =>
  withShim(
    (socket) => socket.end(`${HEAD}Content-Length: 4\r\n\r\nvsoc`),
    async ({ path, scrape, requests }) => {
      await checkPage(scrape(path, { asked: "agent-url" }), "vsoc");
      assert.match(requests[0] ?? "", /^GET \/agent-url HTTP/);
    },
  ));

test("a page larger than the first buffer comes whole, and its memory is freed", () => {
  const page = "x".repeat(390_000);
  return withShim(
    (socket) => socket.end(`${HEAD}\r\n${page}`),
    async ({ scrape, memory }) => {
      await checkPage(scrape(), page);
      const large = memory.bytes;
      await checkPage(scrape(), page);
      assert.equal(memory.bytes, large);
    },
  );
});

test("a page over the limit is cut there, and the shim's answer is read to its end", () =>
  withShim(
    (socket) => socket.end(`${HEAD}\r\n${"x".repeat(410_000)}`),
    async ({ scrape }) => {
      const outcome = await scrape();
      assert.ok(outcome.ok);
      const { length, whole, limit } = outcome;
      assert.deepEqual({ length, whole, limit }, { length: 400_000, whole: false, limit: "body_bytes" });
    },
  ));

test("a page that no guest can make is broken off at once", () =>
  withShim(
    (socket) => void socket.write(`${HEAD}Content-Length: 20000000\r\n\r\n`),
    ({ scrape }) => checkFault(scrape(), "too_big"),
  ));

test("a socket whose path is longer than a socket address can hold is reached", () =>
  withShim(
    (socket) => socket.end(`${HEAD}Content-Length: 4\r\n\r\na 1\n`),
    async ({ dir, scrape, server }) => {
      const deep = join(dir, "d".repeat(100), "e".repeat(100));
      await mkdir(deep, { recursive: true });
      const path = join(deep, "shim-monitor.sock");
      const far = createServer((socket) => server.emit("connection", socket));
      await using short = await shortSocketPath(path);
      far.listen(short.path);
      await once(far, "listening");
      await checkPage(scrape(path), "a 1\n");
      far.close();
      await once(far, "close");
    },
  ));

test("a shim that hangs is cut off when the time is over, whether it has begun its answer or not", () => {
  const beginnings = ["", HEAD, `${HEAD}Content-Length: 9\r\n\r\na 1\n`];
  return withShim(
    (socket) => void socket.write(beginnings.shift() ?? ""),
    async ({ scrape, clock, requests }) => {
      for (let round = 1; round <= 3; round++) {
        const outcome = scrape();
        await poll("the request", () => requests.length === round || undefined);
        await clock.advance(4_999);
        assert.equal(clock.timerCount, 1);
        await clock.advance(1);
        await checkFault(outcome, "timeout");
      }
    },
  );
});

test("a shim that sends a byte now and then gets no more time than others", () =>
  withShim(
    (socket) => void socket.write(`${HEAD}\r\n`),
    async ({ scrape, clock, sockets }) => {
      const outcome = scrape();
      await poll("the connection", () => sockets[0] && (sockets[0].bytesWritten > 0 || undefined));
      for (let second = 1; second <= 5; second++) {
        sockets[0]?.write("x");
        await clock.advance(1_000);
      }
      await checkFault(outcome, "timeout");
    },
  ));

test("a scrape ends when it is cancelled, before and during the call", () =>
  withShim(
    () => {},
    async ({ scrape, cancel, requests }) => {
      const outcome = scrape();
      await poll("the request", () => requests.length > 0 || undefined);
      cancel.abort();
      await checkFault(outcome, "cancelled");
      await checkFault(scrape(), "cancelled");
    },
  ));

test("each fault of the socket has a name", () =>
  withShim(
    (socket) => socket.destroy(),
    async ({ dir, scrape, server }) => {
      await checkFault(scrape(), "truncated");
      await checkFault(scrape(join(dir, "none.sock")), "missing");
      await checkFault(scrape(join(dir, "none", "x".repeat(200), "none.sock")), "missing");
      await writeFile(join(dir, "file"), "");
      await checkFault(scrape(join(dir, "file", "x.sock")), "missing");
      await checkFault(scrape(join(dir, "file")), "refused");
      server.close();
    },
  ));

test("a shim is not cut off because the agent stood still, as when it was suspended", () =>
  withShim(
    () => {},
    async ({ scrape, clock, sockets, requests }) => {
      const answered = scrape();
      await poll("the request", () => requests.length === 1 || undefined);
      clock.suspend(60_000);
      await clock.advance(0);
      sockets[0]?.end(`${HEAD}Content-Length: 3\r\n\r\na 1`);
      await checkPage(answered, "a 1");
      const hung = scrape();
      await poll("the next request", () => requests.length === 2 || undefined);
      clock.suspend(60_000);
      await clock.advance(0);
      clock.suspend(60_000);
      await clock.advance(0);
      await checkFault(hung, "timeout");
    },
  ));
