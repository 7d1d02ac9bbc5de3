// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../../src/clock/fake_clock.ts";
import type { Consumer } from "../../../src/component/consumer.ts";
import { WITNESSES, type Witnesses } from "../../../src/kata/witnesses.ts";
import { attributeOf, type Reading } from "../../../src/metrics/model.ts";
import { createHost } from "../../../src/pipeline/host.ts";
import type { StatusBoard } from "../../../src/pipeline/statuses.ts";
import { factory } from "../../../src/receivers/kata/factory.ts";
import { KataReceiver } from "../../../src/receivers/kata/receiver.ts";
import { type LogLine, recordedLogger } from "../component/logs.ts";
import { testSettings } from "../component/settings.ts";
import { poll } from "../poll.ts";

/** A receiver in fake time, and a root whose shims the test makes. */
export interface FakeTimeScene {
  readonly root: string;
  readonly clock: FakeClock;
  readonly receiver: KataReceiver;
  readonly log: readonly LogLine[];
  readonly statuses: StatusBoard;
  readonly witnesses: Witnesses;
  /** All readings so far; empty where the test gave its own consumer as `next`. */
  readonly readings: readonly Reading[];
  /** Makes a sandbox whose shim answers each request by `answer`, and then emits the event "asked" on the server. */
  add(id: string, answer?: (socket: Socket, request: string) => void): Promise<Server>;
  /** Advances the clock until the sandbox has a reading that is `wanted`, and returns the latest such reading. */
  reading(id: string, wanted: (reading: Reading) => boolean): Promise<Reading>;
}

/** Makes the answer of a healthy shim with this page. */
export function answerPage(page: string): (socket: Socket) => void {
  return (socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n${page}`);
}

/**
 * Runs `play` with a receiver that scrapes every two seconds of fake time. Readings go to `next`, or to `readings` if it is
 * left out. Fails where the receiver leaves a timer behind.
 */
export async function withFakeTime(
  play: (scene: FakeTimeScene) => Promise<void>,
  { next, config = {} }: { readonly next?: Consumer; readonly config?: Record<string, unknown> } = {},
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "still-"));
  const clock = new FakeClock(Date.now());
  const { logger, lines: log } = recordedLogger();
  const host = createHost(clock);
  const readings: Reading[] = [];
  const keeper: Consumer = {
    noRoom: () => undefined,
    consume: (reading) => void readings.push(reading),
    end: () => {},
  };
  const receiver = factory.create(
    factory.schema.parse({ roots: [{ path: root, runtime: "go" }], collection_interval: "2s", ...config }),
    testSettings({ id: "kata", logger, clock, host }),
    next ?? keeper,
  );
  if (!(receiver instanceof KataReceiver)) throw new Error("BUG: the factory makes another receiver");
  const servers: Server[] = [];
  const add: FakeTimeScene["add"] = async (id, answer = () => {}) => {
    await mkdir(join(root, id), { recursive: true });
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", (bytes) => {
        answer(socket, bytes.toString());
        server.emit("asked");
      });
    });
    servers.push(server);
    server.listen(join(root, id, "shim-monitor.sock"));
    await once(server, "listening");
    return server;
  };
  const reading = (id: string, wanted: (reading: Reading) => boolean): Promise<Reading> =>
    poll(`a reading of "${id}"`, async () => {
      await clock.advance(100);
      return readings.findLast((one) => attributeOf(one.resource, "kata.sandbox.id") === id && wanted(one));
    });
  const { statuses } = host;
  const witnesses = host.single(WITNESSES);
  try {
    await play({ root, clock, receiver, log, statuses, witnesses, readings, add, reading });
  } finally {
    await receiver.shutdown(AbortSignal.timeout(1_000));
    for (const server of servers) server.close();
    await rm(root, { recursive: true, force: true });
    assert.equal(clock.timerCount, 0, "a timer is left");
  }
}
