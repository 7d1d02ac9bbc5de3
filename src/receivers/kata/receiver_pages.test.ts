// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { answerPage, withFakeTime } from "../../../test/kit/kata/fake_time_receiver.ts";
import { isUp, state, withReceiver } from "../../../test/kit/kata/receiver.ts";
import { poll } from "../../../test/kit/poll.ts";
import { pointCount } from "../../metrics/model.ts";

const AGENT = "# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count 1\n";

test("the last scrape has the families of the shim's page under the shim's names, and none of the agent's", () =>
  withReceiver(async ({ simulator, reading, source }) => {
    const { id } = await simulator.add({ flavor: "go" });
    await reading(id, isUp);
    const scrape = source.lastScrape(id);
    assert.ok(scrape?.ok === true && scrape.ageMs >= 0);
    const { schema, values } = scrape.reading;
    const names = schema.families.map(({ name }) => name);
    for (const name of ["go_goroutines", "process_open_fds", "kata_shim_fds", "kata_guest_meminfo"])
      assert.ok(names.includes(name), name);
    assert.deepEqual(
      names.filter((name) => /^kata_(collector|shim_go|shim_process)_/.test(name)),
      [],
    );
    assert.equal(values.length, schema.width);
    const goroutines = values[schema.offsets[names.indexOf("go_goroutines")] ?? Number.NaN] ?? 0;
    assert.ok(goroutines > 1 && goroutines < 1_000, `${goroutines} goroutines`);
    assert.ok(pointCount(schema) > 500);
    assert.equal(source.lastScrape("../x"), undefined);
  }));

test("the last scrape has its age, and there is none if the sandbox does not answer", () => {
  let isWell = true;
  let requests = 0;
  return withFakeTime(async ({ clock, add, receiver, reading }) => {
    await add("a", (socket) => {
      requests++;
      if (isWell) answerPage(AGENT)(socket);
      else socket.destroy();
    });
    await receiver.start();
    assert.equal(receiver.lastScrape("a"), undefined);
    await reading("a", isUp);
    const first = receiver.lastScrape("a");
    const before = requests;
    await clock.advance(500);
    for (let i = 0; i < 50; i++) receiver.lastScrape("a");
    const second = receiver.lastScrape("a");
    assert.ok(first?.ok && second?.ok);
    if (requests === before) assert.equal(second.ageMs, first.ageMs + 500);
    isWell = false;
    await reading("a", (one) => state(one) === "failing");
    const failed = receiver.lastScrape("a");
    assert.ok(failed?.ok === false);
    assert.match(failed.reason, /^cannot show sandbox "a": it is failing: /);
  });
});

test("a raw page has the bytes of a scrape; no shim is asked for it, however many want it", () => {
  const served: string[] = [];
  return withFakeTime(async ({ clock, add, receiver, reading, readings }) => {
    await add("a", (socket) => {
      served.push(`# scrape ${served.length}\n${AGENT}noise {{{\n`);
      answerPage(served.at(-1) ?? "")(socket);
    });
    await receiver.start();
    await reading("a", isUp);
    const scrapes = (): number => readings.length;
    for (let round = 0; round < 3; round++) {
      const before = served.length;
      const pages = Promise.all(Array.from({ length: 20 }, () => receiver.rawPage("a")));
      let isThere = false;
      pages.then(
        () => (isThere = true),
        () => {},
      );
      await poll("the next scrape", async () => {
        if (!isThere) await clock.advance(100);
        return isThere || undefined;
      });
      const [page] = await pages;
      assert.equal(page?.bytes.toString(), served[before], "the page of the next scrape");
      assert.equal((await receiver.rawPage("a"))?.bytes, page?.bytes, "it is kept for an interval");
      assert.equal(served.length, before + 1);
      assert.equal(served.length, scrapes(), "each request was a scrape");
      // The kept page is too old by now, so the next request waits again.
      await clock.advance(4_000);
      await poll("later scrapes", () => scrapes() === served.length || undefined);
    }
  });
});

test("a request for a raw page is rejected if none comes, and at most four sandboxes can be waited for", () =>
  withFakeTime(async ({ root, clock, add, receiver, reading }) => {
    const ids = ["a", "b", "c", "d", "e"];
    let isWell = true;
    for (const id of ids)
      await add(id, (socket) => {
        if (isWell) answerPage(AGENT)(socket);
        else socket.destroy();
      });
    await receiver.start();
    for (const id of ids) await reading(id, isUp);
    isWell = false;
    const [first = assert.fail(), ...others] = ids;
    const ended = assert.rejects(receiver.rawPage(first) ?? assert.fail(), /"a": it (has ended|is failing)/);
    const failed = others
      .slice(0, 3)
      .map((id) => assert.rejects(receiver.rawPage(id) ?? assert.fail(), /it is failing/));
    await assert.rejects(receiver.rawPage("e") ?? assert.fail(), /4 sandboxes at one time are the limit/);
    await rm(join(root, first), { recursive: true });
    let isOver = false;
    const all = Promise.all([ended, ...failed]).then(() => (isOver = true));
    await poll("all to be told", async () => {
      await clock.advance(100);
      return isOver || undefined;
    });
    await all;
  }));
