// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { answerPage, withFakeTime } from "../../../test/kit/kata/fake_time_receiver.ts";
import { poll } from "../../../test/kit/poll.ts";
import type { Consumer } from "../../component/consumer.ts";

const answers = answerPage("a 1\n");

test("a shutdown ends a scrape under way, leaves no timer, and may be called twice or without a start", () =>
  withFakeTime(async ({ clock, receiver, add }) => {
    const hung = await add("hung");
    await add("well", answers);
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
  withFakeTime(async ({ clock, receiver, add }) => {
    await add("hung");
    await receiver.start();
    await clock.advance(0);
    await receiver.shutdown(AbortSignal.abort());
  }));

test("a receiver that was never started stops", () =>
  withFakeTime(({ receiver }) => receiver.shutdown(AbortSignal.timeout(60_000))));

test("a bug in a visit is logged, and the sandbox is visited again", () => {
  let readings = 0;
  const broken: Consumer = {
    noRoom: () => undefined,
    consume() {
      readings++;
      throw new Error("broken");
    },
    end: () => {},
  };
  return withFakeTime(
    async ({ clock, receiver, log, add }) => {
      await add("a", answers);
      await receiver.start();
      await clock.advance(0);
      await clock.advance(0);
      await poll("the first reading", () => readings === 1 || undefined);
      await clock.advance(0);
      await clock.advance(30_000);
      await poll("the second reading", () => readings >= 2 || undefined);
      const bug = log.find(({ msg }) => String(msg).startsWith("BUG:"));
      assert.equal((bug?.["error"] as Error | undefined)?.message, "broken");
    },
    { next: broken },
  );
});

test("the log says once for each root whether it exists", () =>
  withFakeTime(async ({ root, clock, receiver, log }) => {
    await receiver.start();
    await clock.advance(0);
    await clock.advance(60_000);
    await rm(root, { recursive: true });
    await clock.advance(60_000);
    const messages = log.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith("Root"));
    assert.deepEqual(messages, ["Root is followed.", "Root is not there; it may come later."]);
  }));
