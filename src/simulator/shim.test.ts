// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { poll } from "../../test/kit/poll.ts";
import type { NumberStyle } from "./number_text.ts";
import { createPage } from "./pages.ts";
import { type Shim, type ShimFault, startShim } from "./shim.ts";

interface Scene {
  readonly shim: Shim;
  readonly socketPath: string;
  /** Returns everything that a client gets until the connection ends, or the code of its error. */
  ask(request?: string): Promise<string>;
  /** Opens a connection, sends the request, and keeps what has come so far. */
  open(request?: string): { readonly socket: Socket; text(): string };
}

const GET = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const GET_AND_STAY = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

async function withShim(
  flavor: NumberStyle,
  play: (scene: Scene) => Promise<void>,
  answerDelayMs?: number,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "shim-"));
  const socketPath = join(dir, "shim-monitor.sock");
  const shim = await startShim({ flavor, socketPath, page: createPage({ flavor, seed: 1 }), answerDelayMs });
  const opened: Socket[] = [];
  const open = (request = GET) => {
    const socket = connect(socketPath);
    opened.push(socket);
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.write(request);
    return { socket, text: () => text };
  };
  const ask = async (request?: string): Promise<string> => {
    const { socket, text } = open(request);
    try {
      await once(socket, "close");
      return text();
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "";
    }
  };
  try {
    await play({ shim, socketPath, ask, open });
  } finally {
    for (const socket of opened) socket.destroy();
    await shim.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The body of a chunked answer. */
function unchunk(answer: string): string {
  let rest = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  let body = "";
  for (;;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    assert.ok(size >= 0 && size <= 4_096, `a chunk of ${rest.slice(0, end)}`);
    body += rest.slice(end + 2, end + 2 + size);
    assert.equal(rest.slice(end + 2 + size, end + 4 + size), "\r\n");
    rest = rest.slice(end + 4 + size);
    if (size === 0) break;
  }
  assert.equal(rest, "");
  return body;
}

test("the Go shim answers any method, in chunks, with the type that Go finds", () =>
  withShim("go", async ({ shim, ask, socketPath }) => {
    for (const request of [GET, GET.replace("GET", "POST")]) {
      const answer = await ask(request);
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answer, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/);
      assert.match(answer, /\r\nTransfer-Encoding: chunked\r\n/);
      assert.equal(unchunk(answer), shim.lastPage?.toString("latin1"));
    }
    assert.equal(shim.scrapes, 2);
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  }));

test("runtime-rs gives a length, no type, and knows GET only", () =>
  withShim("rs", async ({ shim, ask, socketPath }) => {
    const answer = await ask();
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(answer, /content-type|chunked/i);
    const length = Number(/\r\ncontent-length: ([0-9]+)\r\n/.exec(answer)?.[1]);
    assert.equal(answer.slice(-length), shim.lastPage?.toString("latin1"));
    assert.match(await ask(GET.replace("GET", "POST")), /^HTTP\/1\.1 404 .*URL NOT FOUND$/s);
    assert.equal(shim.scrapes, 1);
    assert.equal(statSync(socketPath).mode & 0o777, 0o755);
  }));

test("both answer /agent-url, and nothing else", async () => {
  for (const flavor of ["go", "rs"] as const) {
    await withShim(flavor, async ({ shim, ask }) => {
      assert.match(await ask(GET.replace("/metrics", "/agent-url")), /\r\n\r\nvsock:\/\/3:1024$/);
      assert.match(await ask(GET.replace("/metrics", "/policy")), /^HTTP\/1\.1 404 /);
      assert.equal(shim.scrapes, 0);
    });
  }
});

test("HTTP/1.0 gets a page without chunks, and a client that does not close may ask again", () =>
  withShim("go", async ({ shim, ask, open }) => {
    const old = await ask("GET /metrics HTTP/1.0\r\n\r\n");
    assert.match(old, /^HTTP\/1\.0 200 OK\r\n/);
    assert.ok(old.endsWith(`\r\n\r\n${shim.lastPage?.toString("latin1")}`));
    const { socket, text } = open(GET_AND_STAY);
    await poll("an answer", () => text().endsWith("\r\n0\r\n\r\n") || undefined);
    socket.write(GET_AND_STAY);
    await poll("another", () => text().split("\r\n0\r\n\r\n").length === 3 || undefined);
  }));

test("a head without end is cut off", () =>
  withShim("go", async ({ ask }) => {
    assert.equal(await ask(`GET /metrics HTTP/1.1\r\nX: ${"x".repeat(10_000)}`), "");
  }));

test("a client sees each fault as it is described", async () => {
  const check = (flavor: NumberStyle, fault: ShimFault, seen: RegExp): Promise<void> =>
    withShim(flavor, async ({ shim, ask }) => {
      await shim.setFault(fault);
      assert.match(await ask(), seen, `${flavor} ${fault}`);
    });
  await check("go", "refuse", /^ECONNREFUSED$/);
  await check("go", "close", /^$/);
  await check("go", "error500", /^HTTP\/1\.1 500 /);
  await check("go", "notfound", /^HTTP\/1\.1 404 .*URL NOT FOUND$/s);
  await check("go", "cut", /^HTTP\/1\.1 200 OK.*\n[^\n]{3}$/s);
  await check("rs", "cut", /^HTTP\/1\.1 200 OK.*\n[^\n]{3}$/s);
  await check("go", "garbage", /^HTTP\/1\.1 200 OK.*\r\n\r\n800\r\n.\u00b4/s);
  await check("go", "no_agent", /kata_shim_threads(?!.*kata_(guest|agent))/s);
  await check("rs", "no_agent", /^(?!.*kata_(guest|agent)_).*kata_hypervisor_vcpu.*kata_shim_threads /s);
  await check("go", "hostile", /kata_shim_threads .*sandbox_id="0000".*# EOF/s);
  await check("rs", "hostile", /sandbox_id="0000".*# EOF.*kata_shim_threads /s);
  await check("go", "churning", /kata_guest_new_1_0 0\n/);
});

test("a hung shim takes the request and says nothing", () =>
  withShim("go", async ({ shim, open }) => {
    await shim.setFault("hang");
    const { socket, text } = open();
    await poll("the request", () => shim.scrapes === 1 || undefined);
    assert.equal(text(), "");
    assert.ok(!socket.closed);
  }));

test("a shim that answers late says nothing before, and then the whole page", async () => {
  await withShim("go", async ({ shim, open }) => {
    await shim.setFault("slow_shim");
    const { socket, text } = open();
    await poll("the request", () => shim.scrapes === 1 || undefined);
    assert.equal(text(), "", "nine seconds are not over");
    socket.destroy();
  });
  for (const flavor of ["go", "rs"] as const) {
    const play = async ({ shim, ask }: Scene): Promise<void> => {
      await shim.setFault("slow_shim");
      assert.match(await ask(), /kata_guest_load/);
    };
    await withShim(flavor, play, 20);
  }
});

test("a sick guest is served as any other", () =>
  withShim("go", async ({ shim, ask }) => {
    for (const fault of ["stolen_cpu", "memory_pressure", "slow_disk"] as const) {
      await shim.setFault(fault);
      assert.match(await ask(), /kata_guest_load/, fault);
    }
  }));

test("a slow shim's page comes in pieces", () =>
  withShim("go", async ({ shim, open }) => {
    await shim.setFault("slow");
    const { text } = open();
    await poll("two pieces", () => text().length >= 1_024 || undefined);
    assert.match(text(), /^HTTP\/1\.1 200 OK/);
    assert.ok(text().length < 80_000);
  }));

test("a page without end goes on for as long as it is read", async () => {
  for (const flavor of ["go", "rs"] as const) {
    await withShim(flavor, async ({ shim, open }) => {
      await shim.setFault("huge");
      const { text } = open();
      await poll("two megabytes", () => text().length > 2e6 || undefined);
      assert.match(text().slice(-200_000), /\nkata_guest_flood\{item="[0-9]{5,}"\} 1\n/);
    });
  }
});

test("the first scrape ends a shim that aborts, and leaves its socket's file", () =>
  withShim("rs", async ({ shim, ask, socketPath }) => {
    await shim.setFault("abort");
    assert.match(await ask(GET.replace("/metrics", "/agent-url")), /vsock/);
    assert.equal(await ask(), "");
    // Node takes the file away with the listener, and the shim puts it back.
    await poll("the socket without a listener", async () => (await ask()) === "ECONNREFUSED" || undefined);
    assert.ok(statSync(socketPath).isSocket());
    assert.equal(shim.scrapes, 1);
  }));

test("a shim recovers from every fault", () =>
  withShim("go", async ({ shim, ask }) => {
    for (const fault of ["error500", "refuse", "hang", "refuse"] as const) {
      await shim.setFault(fault);
      await shim.setFault("none");
      assert.match(await ask(), /kata_guest_load/, fault);
    }
    assert.equal(shim.scrapes, 4);
  }));

test("a shim that closes cuts its clients and takes its socket away", () =>
  withShim("go", async ({ shim, open, socketPath }) => {
    await shim.setFault("hang");
    const { socket } = open();
    await poll("the request", () => shim.scrapes === 1 || undefined);
    const closed = once(socket, "close");
    await shim.close();
    await closed;
    assert.ok(!existsSync(socketPath));
  }));
