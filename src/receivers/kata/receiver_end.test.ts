import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { poll } from "../../../test/e2e/poll.ts";
import { testSettings } from "../../../test/scenes/settings.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { Receiver } from "../../component/component.ts";
import type { Consumer } from "../../component/consumer.ts";
import { factory } from "./factory.ts";

interface Scene {
  readonly root: string;
  readonly clock: FakeClock;
  readonly receiver: Receiver;
  readonly log: { readonly msg: string; readonly error?: { message: string } }[];
  /** A sandbox whose shim answers with `reply`, or never where there is none. */
  add(id: string, reply?: string): Promise<Server>;
}

async function withFakeTime(next: Consumer, play: (scene: Scene) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "end-"));
  const clock = new FakeClock();
  const log: Scene["log"] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      log.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const receiver = factory.create(
    factory.schema.parse({ roots: [{ path: root, runtime: "go" }] }),
    testSettings({
      id: "kata",
      logger: pino({ serializers: { error: pino.stdSerializers.err } }, output),
      clock,
    }),
    next,
  );
  const servers: Server[] = [];
  const add = async (id: string, reply?: string): Promise<Server> => {
    await mkdir(join(root, id));
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => (reply === undefined ? server.emit("asked") : socket.end(reply)));
    });
    servers.push(server);
    server.listen(join(root, id, "shim-monitor.sock"));
    await once(server, "listening");
    return server;
  };
  try {
    await play({ root, clock, receiver, log, add });
  } finally {
    await receiver.shutdown(AbortSignal.timeout(1_000));
    for (const server of servers) server.close();
    await rm(root, { recursive: true, force: true });
  }
}

const nobody: Consumer = { noRoom: () => undefined, consume: () => {}, end: () => {} };
const PAGE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n";

test("a shutdown ends a scrape under way, leaves no timer, and may come again or without a start", () =>
  withFakeTime(nobody, async ({ clock, receiver, add }) => {
    const hung = await add("hung");
    await add("well", PAGE);
    const asked = once(hung, "asked");
    await receiver.start();
    await clock.advance(0);
    await clock.advance(0);
    await asked;
    assert.ok(clock.timerCount > 0);
    const stopped = receiver.shutdown(AbortSignal.timeout(60_000));
    await clock.advance(1_000);
    await stopped;
    assert.equal(clock.timerCount, 0);
    await receiver.shutdown(AbortSignal.timeout(60_000));
  }));

test("a shutdown whose deadline has passed waits for nothing", () =>
  withFakeTime(nobody, async ({ clock, receiver, add }) => {
    await add("hung");
    await receiver.start();
    await clock.advance(0);
    await receiver.shutdown(AbortSignal.abort());
  }));

test("a receiver that was never started stops", () =>
  withFakeTime(nobody, ({ receiver }) => receiver.shutdown(AbortSignal.timeout(60_000))));

test("a defect met with one sandbox is logged, and the sandbox visited again", () => {
  let readings = 0;
  const broken: Consumer = {
    noRoom: () => undefined,
    consume() {
      readings++;
      throw new Error("broken");
    },
    end: () => {},
  };
  return withFakeTime(broken, async ({ clock, receiver, log, add }) => {
    await add("a", PAGE);
    await receiver.start();
    await clock.advance(0);
    await clock.advance(0);
    await poll("the first reading", () => readings === 1 || undefined);
    await clock.advance(0);
    await clock.advance(30_000);
    await poll("the second reading", () => readings >= 2 || undefined);
    const bug = log.find(({ msg }) => msg.startsWith("BUG:"));
    assert.equal(bug?.error?.message, "broken");
  });
});

test("the log says once of each root whether it is there", () =>
  withFakeTime(nobody, async ({ root, clock, receiver, log }) => {
    await receiver.start();
    await clock.advance(0);
    await clock.advance(60_000);
    await rm(root, { recursive: true });
    await clock.advance(60_000);
    const messages = log.map(({ msg }) => msg).filter((msg) => msg.startsWith("Root"));
    assert.deepEqual(messages, ["Root is followed.", "Root is not there; it may come later."]);
  }));
