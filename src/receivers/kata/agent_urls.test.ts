// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { answerPage, withFakeTime } from "../../../test/kit/kata/fake_time_receiver.ts";
import { isUp, state, value } from "../../../test/kit/kata/receiver.ts";
import { poll } from "../../../test/kit/poll.ts";

const PAGE = answerPage("# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count 1\n");

/** A shim that answers until `told.hangs` is set; `told.left` counts the requests since then. */
function shim() {
  const told = { hangs: false, left: 0 };
  const answer = (socket: Socket): void => {
    if (told.hangs) told.left++;
    else PAGE(socket);
  };
  return { told, answer };
}

test("a sandbox that ends while it is asked for its agent's URL has ended, and is not failing", () =>
  withFakeTime(async ({ root, clock, add, receiver, reading, log }) => {
    const { told, answer } = shim();
    await add("a", answer);
    await receiver.start();
    await reading("a", isUp);
    told.hangs = true;
    const refusal = assert.rejects(receiver.agentUrl("a") ?? assert.fail(), /"a": it has ended$/);
    await poll("the question", () => told.left > 0 || undefined);
    await rm(join(root, "a"), { recursive: true });
    await poll("the end", async () => {
      await clock.advance(100);
      return receiver.sandboxes().length === 0 || undefined;
    });
    await refusal;
    assert.deepEqual(
      log.filter(({ level }) => Number(level) > 30).map(({ msg }) => msg),
      [],
    );
  }));

test("after a question without an answer the next visit reports the sandbox, although it makes no scrape", () =>
  withFakeTime(async ({ clock, add, receiver, reading }) => {
    const { told, answer } = shim();
    await add("a", answer);
    await receiver.start();
    await reading("a", isUp);
    told.hangs = true;
    const refusal = assert.rejects(receiver.agentUrl("a") ?? assert.fail(), /no whole answer/);
    await poll("the question", () => told.left > 0 || undefined);
    await clock.advance(10_000);
    await refusal;
    const silent = await reading("a", (one) => !isUp(one));
    assert.equal(state(silent), "failing");
    const nextMs = (value(silent, "kata_collector_sandbox_next_scrape_timestamp_seconds") ?? 0) * 1_000;
    assert.ok(silent.timeMs < nextMs, "it is told while the shim is left alone");
    assert.equal(told.left, 1);
  }));

test("a shim is asked where its agent listens once per interval, however many ask; a long answer is refused", () => {
  let questions = 0;
  let url = "vsock://3:1024\n";
  return withFakeTime(
    async ({ clock, add, receiver, reading }) => {
      await add("a", (socket, request) => {
        if (!request.startsWith("GET /agent-url ")) return PAGE(socket);
        questions++;
        answerPage(url)(socket);
      });
      await receiver.start();
      await reading("a", isUp);
      const ask = (): Promise<string> => receiver.agentUrl("a") ?? assert.fail();
      const answers = await Promise.all(Array.from({ length: 20 }, ask));
      assert.deepEqual(new Set(answers), new Set(["vsock://3:1024"]));
      await clock.advance(299_000);
      assert.equal(await ask(), "vsock://3:1024");
      assert.equal(questions, 1, "the interval is five minutes");
      await clock.advance(1_000);
      url = "x".repeat(5_000);
      for (let i = 0; i < 3; i++) await assert.rejects(ask(), /its answer has more than 4096 bytes/);
      assert.equal(questions, 2);
      assert.equal(receiver.agentUrl("../x"), undefined);
    },
    { config: { collection_interval: "5m" } },
  );
});
