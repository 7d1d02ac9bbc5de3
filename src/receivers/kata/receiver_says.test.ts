// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { answerPage, type FakeTimeScene, withFakeTime } from "../../../test/kit/kata/fake_time_receiver.ts";
import { isUp, state, value } from "../../../test/kit/kata/receiver.ts";
import { fakeWitness } from "../../../test/kit/kata/witness.ts";
import { poll } from "../../../test/kit/poll.ts";
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import { attributeOf, type Reading } from "../../metrics/model.ts";

const SHIM = "# TYPE kata_shim_fds gauge\nkata_shim_fds 1\n";
const WHOLE = `${SHIM}# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count 1\n`;
const OWN = "kata_collector_sandbox_";

/** The reason that the reading gives for the sandbox's state. */
function reasonOf({ schema }: Reading): string {
  const family = schema.families.find(({ name }) => name === `${OWN}state`);
  return family?.points[0]?.attributes.find(({ key }) => key === "reason")?.value ?? "";
}

function statusOf({ receiver }: FakeTimeScene, id: string): SandboxStatus {
  return receiver.sandboxes().find((one) => one.id === id) ?? assert.fail(`no sandbox "${id}"`);
}

function statusText({ statuses }: FakeTimeScene): string {
  return statuses
    .components()
    .map(({ state, error }) => `${state} ${error}`)
    .join();
}

test("a sandbox that is pending for over a minute is shown if the runtime lists it, with its reason and since when", () =>
  withFakeTime(async (scene) => {
    const { root, clock, receiver, witnesses, reading, readings, log } = scene;
    for (const id of ["pod", "template"]) await mkdir(join(root, id));
    witnesses.add("cri", fakeWitness({ pods: { pod: "shop/web-1" }, listed: ["pod"] }));
    await receiver.start();
    await clock.advance(55_000);
    assert.equal(statusOf(scene, "pod").code, "no_socket");
    const shown = await reading("pod", () => true);
    assert.deepEqual([state(shown), reasonOf(shown), isUp(shown)], ["pending", "no_socket", false]);
    assert.equal(value(shown, `${OWN}in_runtime`), 1);
    assert.equal(value(shown, `${OWN}state_since_seconds`), statusOf(scene, "pod").sinceMs / 1_000);
    assert.equal(value(shown, `${OWN}last_answer_timestamp_seconds`), undefined);
    assert.ok(shown.timeMs - statusOf(scene, "pod").sinceMs > 60_000);
    const line = log.find(({ msg }) => msg === "Sandbox runs and cannot be scraped.");
    assert.deepEqual([line?.["sandbox"], line?.["pod"], line?.["code"]], ["pod", "shop/web-1", "no_socket"]);
    assert.equal(statusOf(scene, "template").state, "pending", "the other one is known");
    await reading("pod", ({ timeMs }) => timeMs > shown.timeMs);
    await clock.advance(120_000);
    assert.ok(!readings.some((one) => attributeOf(one.resource, "kata.sandbox.id") === "template"));
    const times = readings.map(({ timeMs }) => timeMs);
    const gaps = times.slice(1).map((timeMs, index) => timeMs - (times[index] ?? 0));
    assert.ok(Math.min(...gaps) >= 1_800, "shown once per interval, though it is looked at more often");
  }));

test("in_runtime is absent if no runtime answers, and 0 for a leaked sandbox", () =>
  withFakeTime(async ({ add, receiver, reading, witnesses }) => {
    await add("a", answerPage(WHOLE));
    await receiver.start();
    const unknown = await reading("a", isUp);
    assert.equal(value(unknown, `${OWN}in_runtime`), undefined);
    const listed = ["a"];
    witnesses.add("cri", fakeWitness({ listed }));
    const known = await reading("a", (one) => value(one, `${OWN}in_runtime`) === 1);
    assert.equal(known.schema.width, unknown.schema.width + 1);
    assert.equal(value(known, "kata_shim_fds"), 1, "the page's numbers keep their columns");
    listed.pop();
    await reading("a", (one) => value(one, `${OWN}in_runtime`) === 0);
  }));

test("a sandbox that the agent sees start has boot times on its readings and on the line of its first answer", () =>
  withFakeTime(async (scene) => {
    const { root, add, receiver, reading, clock, log } = scene;
    // Files have the times of the real clock.
    const catchUp = (): Promise<void> => clock.advance(Math.max(0, Date.now() + 1 - clock.nowMs()));
    await receiver.start();
    await clock.advance(0);
    await mkdir(join(root, "late"));
    await poll("the sandbox to be found", async () => {
      await catchUp();
      return receiver.sandboxes().length > 0 || undefined;
    });
    await add("late", answerPage(WHOLE));
    await catchUp();
    const first = await reading("late", isUp);
    assert.ok((value(first, `${OWN}boot_socket_seconds`) ?? -1) >= 0);
    assert.ok((value(first, `${OWN}boot_answer_seconds`) ?? -1) >= 0);
    assert.equal(value(first, `${OWN}last_answer_timestamp_seconds`), first.timeMs / 1_000);
    const line = log.find(({ msg }) => msg === "Sandbox answers.");
    assert.ok(line?.["boot_socket"] !== undefined && line["boot_answer"] !== undefined);
  }));

test("a page without the guest's part is a reason of the state up, and its series goes when the part is there", () => {
  let page = SHIM;
  return withFakeTime(async (scene) => {
    const { add, receiver, reading } = scene;
    await add("a", (socket) => answerPage(page)(socket));
    await receiver.start();
    const partial = await reading("a", isUp);
    assert.deepEqual([state(partial), reasonOf(partial)], ["up", "partial"]);
    assert.match(statusOf(scene, "a").reason, /the guest's part is missing: no page has had it yet/);
    const same = await reading("a", ({ timeMs }) => timeMs > partial.timeMs);
    assert.equal(same.schema, partial.schema);
    page = WHOLE;
    const whole = await reading("a", (one) => reasonOf(one) === "");
    assert.equal(state(whole), "up");
    assert.equal(value(whole, "kata_agent_scrape_count"), 1);
  });
});

test("two answers in a row that take over half of the timeout are a reason of the state up", () => {
  const waiting: Socket[] = [];
  return withFakeTime(async (scene) => {
    const { add, receiver, reading, clock } = scene;
    const shim = await add("a", (socket) => void waiting.push(socket));
    await receiver.start();
    for (let scrape = 0; scrape < 2; scrape++) {
      const asked = once(shim, "asked");
      await poll("a request", async () => {
        await clock.advance(100);
        return waiting.length > 0 || undefined;
      });
      await asked;
      await clock.advance(6_000);
      answerPage(WHOLE)(waiting.pop() ?? assert.fail());
      await reading("a", (one) => isUp(one) && one.timeMs >= clock.nowMs() - 200);
    }
    const slow = await reading("a", isUp);
    assert.deepEqual([state(slow), reasonOf(slow)], ["up", "slow"]);
    assert.match(statusOf(scene, "a").reason, /the last two scrapes took \S+ and \S+ of the timeout of 10s/);
  });
});

test("the time until which scrapes are put off is on the reading, in the status, and in the answer to questions", () =>
  withFakeTime(async (scene) => {
    const { add, receiver, reading, witnesses, clock } = scene;
    witnesses.add("cri", fakeWitness({ pods: { hung: "shop/web-1" }, listed: ["hung"] }));
    const asked = once(await add("hung"), "asked");
    await receiver.start();
    await clock.advance(0);
    await asked;
    await clock.advance(10_000);
    const failed = await reading("hung", (one) => state(one) === "failing");
    const next = value(failed, `${OWN}next_scrape_timestamp_seconds`) ?? assert.fail();
    assert.equal(Math.round(next * 1_000 - failed.timeMs), 4_000);
    assert.equal(statusOf(scene, "hung").nextScrapeMs, next * 1_000);
    await assert.rejects(
      receiver.agentUrl("hung") ?? assert.fail(),
      /^Error: cannot ask sandbox "hung" of pod "shop\/web-1": it is left alone until \S+: no whole answer/,
    );
    assert.match(statusText(scene), /^recoverable_error none of the sandboxes .*: "shop\/web-1"; /);
  }));

test("a shim that did not answer the question for its agent's URL is not scraped at the next visit either", () => {
  let isWell = true;
  let requests = 0;
  return withFakeTime(async (scene) => {
    const { add, receiver, reading, clock } = scene;
    await add("a", (socket) => {
      requests++;
      if (isWell) answerPage(WHOLE)(socket);
    });
    await receiver.start();
    const { timeMs } = await reading("a", isUp);
    isWell = false;
    const before = requests;
    const answer = receiver.agentUrl("a") ?? assert.fail();
    const refused = assert.rejects(answer, /cannot ask sandbox "a": no whole answer within 10000 ms/);
    await poll("the question", () => requests > before || undefined);
    await clock.advance(10_000);
    await refused;
    assert.equal(statusOf(scene, "a").state, "failing");
    await clock.advance(3_900);
    assert.equal(requests, before + 1, "the interval is 2 s, the pause is two of them");
    isWell = true;
    await reading("a", (one) => isUp(one) && one.timeMs > timeMs);
  });
});

test("readiness is held until the roots have been scanned, and no longer than the receiver runs", async () => {
  await withFakeTime(
    async ({ receiver, statuses, clock }) => {
      await receiver.start();
      assert.match(
        statuses.unreadyReasons().join(),
        /receiver "kata": the roots have not been looked at yet/,
      );
      assert.deepEqual(receiver.roots(), [], "whoever compares sandboxes with pods has to wait, too");
      await clock.advance(5_000);
      assert.equal(receiver.roots().length, 1);
      assert.deepEqual(statuses.unreadyReasons(), []);
    },
    { config: { initial_delay: "5s" } },
  );
  await withFakeTime(async ({ receiver, statuses }) => {
    await receiver.start();
    await receiver.shutdown(AbortSignal.timeout(1_000));
    assert.deepEqual(statuses.unreadyReasons(), []);
  });
});

test("the log has each change of a sandbox with its pod's name: found, up, failing, up again, gone", () => {
  let answer = answerPage(WHOLE);
  return withFakeTime(async ({ root, add, receiver, reading, witnesses, log, clock }) => {
    witnesses.add("cri", fakeWitness({ pods: { a: "shop/web-1" }, listed: ["a"] }));
    await add("a", (socket) => answer(socket));
    await receiver.start();
    await reading("a", isUp);
    answer = (socket) => socket.end("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    const { timeMs } = await reading("a", (one) => state(one) === "failing");
    answer = answerPage(WHOLE);
    await reading("a", (one) => isUp(one) && one.timeMs > timeMs);
    await rm(join(root, "a"), { recursive: true });
    await clock.advance(10_000);
    const told = log.filter(({ sandbox }) => sandbox === "a");
    assert.deepEqual(
      told.map(({ msg }) => msg),
      [
        "Sandbox found.",
        "Sandbox answers.",
        "Sandbox is failing.",
        "Sandbox answers again.",
        "Sandbox ended.",
      ],
    );
    assert.ok(told.every(({ pod }) => pod === "shop/web-1"));
    assert.equal(told[3]?.["before"], "failing (status)");
  });
});

test("a minute in which something is wrong has one summary, and a shutdown one more", () =>
  withFakeTime(async ({ add, receiver, reading, clock, log }) => {
    const asked = once(await add("hung"), "asked");
    await add("well", answerPage(WHOLE));
    await receiver.start();
    await clock.advance(0);
    await asked;
    await clock.advance(10_000);
    await reading("hung", (one) => state(one) === "failing");
    await clock.advance(60_000);
    const summaries = (): number => log.filter(({ msg }) => msg === "Some sandboxes are not well.").length;
    assert.equal(summaries(), 1);
    await receiver.shutdown(AbortSignal.timeout(1_000));
    assert.equal(summaries(), 2);
  }));
