// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isUp, type Scene, state, value, withReceiver } from "../../../test/kit/kata/receiver.ts";
import { poll } from "../../../test/kit/poll.ts";
import type { NoRoom } from "../../component/consumer.ts";

/** The reason that the latest reading of the sandbox gives for its state. */
function reasonOf({ readings }: Scene, id: string): string | undefined {
  const families = readings.get(id)?.at(-1)?.schema.families;
  const family = families?.find(({ name }) => name === "kata_collector_sandbox_state");
  return family?.points[0]?.attributes.find(({ key }) => key === "reason")?.value;
}

function statusOf({ source }: Scene, id: string) {
  return source.sandboxes().find((one) => one.id === id);
}

/** Waits until the receiver has visited all its sandboxes several times. */
async function someRounds({ simulator, readings, reading }: Scene): Promise<void> {
  const { id } = await simulator.add();
  await reading(id, isUp);
  await poll("some rounds", () => (readings.get(id)?.length ?? 0) > 4 || undefined);
}

test("a sandbox that is being removed is not asked any more, whichever shim it has", () =>
  withReceiver(async (scene) => {
    const { simulator, reading } = scene;
    const go = await simulator.add({ flavor: "go" });
    const rs = await simulator.add({ flavor: "rs" });
    for (const { id } of [go, rs]) await reading(id, isUp);
    await rm(join(go.directory, "persist.json"));
    await rm(join(rs.directory, "state.json"));
    for (const { id } of [go, rs]) await reading(id, (one) => state(one) === "ending");
    const before = [go.shim?.scrapes, rs.shim?.scrapes];
    await someRounds(scene);
    assert.deepEqual([go.shim?.scrapes, rs.shim?.scrapes], before);
    assert.equal(reasonOf(scene, go.id), "removal");
    assert.ok(statusOf(scene, go.id)?.hasShim, "its shim still runs");
  }));

test("when the Go shim's VM is gone, its sandbox is not asked any more", () =>
  withReceiver(async (scene) => {
    const { simulator, reading } = scene;
    const { id } = await simulator.add({ flavor: "go" });
    const vm = join(simulator.goRoot, "..", "vm", id);
    await mkdir(vm, { recursive: true });
    await poll("the VM's directory to be noticed", () =>
      (scene.readings.get(id)?.length ?? 0) > 2 ? true : undefined,
    );
    await rm(vm, { recursive: true });
    await reading(id, (one) => state(one) === "ending");
  }));

test("a directory without a socket, as VM templates and leaks leave it, shows nothing and is no running sandbox", () =>
  withReceiver(async (scene) => {
    const id = "8f14e45f-ceea-467f-ab5f-0242ac120002";
    await mkdir(join(scene.simulator.goRoot, id));
    await someRounds(scene);
    assert.equal(scene.readings.get(id), undefined);
    const { state, hasShim } = statusOf(scene, id) ?? assert.fail();
    assert.deepEqual([state, hasShim], ["pending", false]);
  }));

test("a sandbox that ctr made has its own id, and is scraped under it", () =>
  withReceiver(async ({ simulator, reading }) => {
    const { directory, id } = await simulator.add();
    await reading(id, isUp);
    await rename(directory, join(simulator.goRoot, "foo100"));
    await reading("foo100", isUp);
    await rename(join(simulator.goRoot, "foo100"), directory);
  }));

test("a directory that was swapped for a link out of the root ends, and what the link leads to is never asked", () =>
  withReceiver(async (scene) => {
    const { simulator, reading, ended } = scene;
    const { directory, id } = await simulator.add();
    await reading(id, isUp);
    const outside = join(simulator.goRoot, "..", "outside");
    await mkdir(outside);
    const asked: unknown[] = [];
    const server = createServer((socket) => asked.push(socket.destroy()));
    server.listen(join(outside, "shim-monitor.sock"));
    await once(server, "listening");
    try {
      await rename(directory, `${directory}.away`);
      await symlink(outside, directory);
      await poll("the end", () => ended.includes(id) || undefined);
      await someRounds(scene);
      assert.deepEqual(asked, []);
      assert.equal(statusOf(scene, id), undefined);
    } finally {
      server.close();
      await rm(directory);
      await rename(`${directory}.away`, directory);
    }
  }));

test("an unsafe sandbox shows the reason on the page, and a question for its agent's URL gets the same reason", () =>
  withReceiver(
    async (scene) => {
      const { simulator, reading, source } = scene;
      const { id, shim } = await simulator.add({ flavor: "rs" });
      await reading(id, (one) => state(one) === "unsafe");
      assert.equal(reasonOf(scene, id), "qemu");
      const why = /^Error: cannot (ask|show) sandbox ".+": it is unsafe: runtime-rs with "qemu"/;
      await assert.rejects(source.agentUrl(id) ?? assert.fail(), why);
      await assert.rejects(source.rawPage(id) ?? assert.fail(), why);
      const scrape = source.lastScrape(id) ?? assert.fail();
      assert.match(scrape.ok ? "" : `Error: ${scrape.reason}`, why);
      assert.equal(shim?.scrapes, 0);
    },
    { simulator: { hypervisor: "qemu" } },
  ));

test("a runtime-rs sandbox is not asked before its state.json names the hypervisor, however long that takes", () =>
  withReceiver(async (scene) => {
    const { simulator, source } = scene;
    const { directory, shim, id } = await simulator.add({ flavor: "rs" });
    await poll("the first answer", () => (shim?.scrapes ?? 0) > 0 || undefined);
    const late = join(simulator.rsRoot, "late");
    await mkdir(late);
    const server = createServer((socket) => socket.destroy()).listen(join(late, "shim-monitor.sock"));
    await once(server, "listening");
    let asked = 0;
    server.on("connection", () => asked++);
    try {
      await poll("a look at it", () => (statusOf(scene, "late")?.code === "no_state" ? true : undefined));
      await someRounds(scene);
      assert.equal(asked, 0);
      await assert.rejects(
        source.agentUrl("late") ?? assert.fail(),
        /cannot ask sandbox "late": it is pending: state\.json/,
      );
      assert.ok(directory.endsWith(id));
    } finally {
      server.close();
    }
  }));

test("a shim whose scrape was broken off gets no question for its agent's URL either", () =>
  withReceiver(async ({ simulator, reading, source }) => {
    const { id } = await simulator.add({ fault: "hang" });
    await reading(id, (one) => state(one) === "failing");
    await assert.rejects(
      source.agentUrl(id) ?? assert.fail(),
      /it is left alone until 2\S+Z: no whole answer/,
    );
  }));

test("pages of new families on every scrape cost their excess, and no one else's page", () =>
  withReceiver(
    async (scene) => {
      const { simulator, reading, readings } = scene;
      const honest = await simulator.add();
      const noisy = await simulator.add({ fault: "churning" });
      const skipped = await reading(
        noisy.id,
        (one) => (value(one, "kata_collector_sandbox_skipped_lines") ?? 0) > 0,
      );
      assert.ok(isUp(skipped));
      await someRounds(scene);
      const last = readings.get(honest.id)?.at(-1) ?? assert.fail();
      assert.equal(value(last, "kata_collector_sandbox_skipped_lines"), 0);
      assert.equal(value(last, "kata_collector_sandbox_scrape_samples"), 1_261);
    },
    { config: { limits: { new_layouts_per_minute: 150 } } },
  ));

test("one shim never has two requests at a time, whatever makes them", async () => {
  const dir = await mkdtemp(join(tmpdir(), "shim-"));
  const reply = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nkata_shim_fds 1\n";
  let asked = 0;
  let most = 0;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => {
      most = Math.max(most, ++asked);
      setImmediate(() => {
        asked--;
        socket.end(reply);
      });
    });
  });
  server.listen(join(dir, "shim-monitor.sock"));
  await once(server, "listening");
  await writeFile(join(dir, "persist.json"), "{}");
  try {
    await withReceiver(
      async ({ reading, simulator, source }) => {
        await rename(dir, join(simulator.goRoot, "busy"));
        await reading("busy", isUp);
        for (let round = 0; round < 20; round++)
          await Promise.all([source.rawPage("busy"), source.agentUrl("busy")]);
      },
      { config: { collection_interval: "100ms" } },
    );
    assert.equal(most, 1);
  } finally {
    server.close();
  }
});

test("while the pipeline has no room, shims are not asked, and the end of a sandbox is still reported", () => {
  const pipeline: { noRoom: NoRoom | undefined } = { noRoom: undefined };
  return withReceiver(
    async ({ simulator, readings, ended, skipped }) => {
      const { id, shim } = await simulator.add();
      const other = await simulator.add();
      await poll("the first readings", () => (readings.get(id) && readings.get(other.id)) || undefined);
      pipeline.noRoom = "memory";
      await poll("a scrape that is not made", () => skipped("memory") || undefined);
      const scrapes = shim?.scrapes ?? 0;
      const read = readings.get(id)?.length;
      await poll("more of them", () => skipped("memory") > 6 || undefined);
      assert.equal(shim?.scrapes, scrapes);
      assert.equal(readings.get(id)?.length, read);
      await simulator.end(other.id);
      await poll("its end", () => ended.includes(other.id) || undefined);
      pipeline.noRoom = undefined;
      await poll("scraping to go on", () => (shim?.scrapes ?? 0) > scrapes || undefined);
      await poll("a reading of it", () => (readings.get(id)?.length ?? 0) > (read ?? 0) || undefined);
    },
    { noRoom: () => pipeline.noRoom },
  );
});

test("a sandbox that a reload keeps from being scraped is scraped soon after, however long the interval is", () => {
  const pipeline: { noRoom: NoRoom | undefined } = { noRoom: "exchange" };
  return withReceiver(
    async ({ simulator, reading, skipped }) => {
      const { id } = await simulator.add();
      await poll("a scrape that is not made", () => skipped("exchange") || undefined);
      pipeline.noRoom = undefined;
      await reading(id, isUp);
    },
    { noRoom: () => pipeline.noRoom, config: { collection_interval: "10m" } },
  );
});

test("a sandbox whose socket goes while the pipeline has no room is not shown as up for ever", () => {
  const pipeline: { noRoom: NoRoom | undefined } = { noRoom: undefined };
  return withReceiver(
    async ({ simulator, reading, readings, skipped }) => {
      const { id, directory } = await simulator.add({ flavor: "go" });
      const other = await simulator.add({ flavor: "go" });
      await reading(id, isUp);
      await reading(other.id, isUp);
      pipeline.noRoom = "memory";
      await rm(join(directory, "shim-monitor.sock"));
      const before = skipped("memory");
      await poll("visits in that time", () => skipped("memory") > before + 4 || undefined);
      pipeline.noRoom = undefined;
      await poll(
        "word of it",
        () => state(readings.get(id)?.at(-1) ?? assert.fail()) === "pending" || undefined,
      );
    },
    { noRoom: () => pipeline.noRoom },
  );
});
