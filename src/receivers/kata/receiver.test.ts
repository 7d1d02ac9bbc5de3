// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isUp, state, value, withReceiver } from "../../../test/kit/kata/receiver.ts";
import { poll } from "../../../test/kit/poll.ts";
import { attributeOf } from "../../metrics/model.ts";
import type { ShimFault } from "../../simulator/shim.ts";
import { startSimulator } from "../../simulator/simulator.ts";

test("a reading has the shim's families, with the agent's own in front", () =>
  withReceiver(async ({ simulator, reading }) => {
    const { id } = await simulator.add();
    const first = await reading(id, isUp);
    assert.equal(value(first, "kata_collector_sandbox_scrape_samples"), 1_261);
    assert.equal(value(first, "kata_collector_sandbox_partial"), 0);
    assert.equal(value(first, "kata_collector_sandbox_bad_lines"), 0);
    assert.equal(state(first), "up");
    assert.equal(first.schema.families[0]?.name, "kata_collector_sandbox_up");
    const names = first.schema.families.map(({ name }) => name);
    assert.ok(names.includes("kata_shim_go_goroutines") && !names.includes("go_goroutines"));
    assert.equal(first.values.length, first.schema.width);
    assert.equal(attributeOf(first.resource, "kata.runtime"), "go");
    assert.ok(first.startMs > 0 && first.startMs <= first.timeMs);
  }));

test("the next scrape has the same schema and resource, though the blocks were shuffled", () =>
  withReceiver(async ({ simulator, readings }) => {
    const { id } = await simulator.add();
    const [first, second] = await poll("two readings", () =>
      (readings.get(id)?.length ?? 0) > 1 ? readings.get(id) : undefined,
    );
    assert.equal(first?.schema, second?.schema);
    assert.equal(first?.resource, second?.resource);
  }));

test("a sandbox ends when its directory goes, and no reading follows its end", () =>
  withReceiver(async ({ simulator, reading, ended }) => {
    const { id } = await simulator.add();
    const { id: slow } = await simulator.add({ fault: "hang" });
    await reading(id, isUp);
    await simulator.end(slow);
    await simulator.end(id);
    await poll("the end", () => ended.includes(id) || undefined);
  }));

const FAILURES: readonly (readonly [ShimFault, string])[] = [
  ["hang", "failing"],
  ["refuse", "stale"],
  ["close", "failing"],
  ["cut", "failing"],
  ["error500", "failing"],
  ["notfound", "failing"],
  ["garbage", "failing"],
];

test("a shim that answers badly is reported as such, and its neighbour is scraped all the same", () =>
  withReceiver(async ({ simulator, reading }) => {
    const { id: healthy } = await simulator.add();
    for (const [fault, want] of FAILURES) {
      const { id } = await simulator.add({ fault });
      const bad = await reading(id, (one) => state(one) === want);
      assert.equal(value(bad, "kata_collector_sandbox_scrape_samples"), 0, fault);
    }
    await reading(healthy, isUp);
  }));

test("an endless page costs only its own sandbox's reading, and a bounded buffer", () =>
  withReceiver(
    async ({ simulator, reading }) => {
      const { id } = await simulator.add({ fault: "huge" });
      assert.equal(state(await reading(id, (one) => !isUp(one))), "failing");
    },
    { config: { limits: { body_bytes: "1MiB" } } },
  ));

test("a shim that recovers is up again", () =>
  withReceiver(async ({ simulator, reading, readings }) => {
    const sandbox = await simulator.add({ fault: "error500" });
    await reading(sandbox.id, (one) => !isUp(one));
    await sandbox.setFault("none");
    await reading(sandbox.id, isUp);
    assert.equal(state(readings.get(sandbox.id)?.at(-1) ?? assert.fail()), "up");
  }));

test("a page without the guest agent's part is served and called partial", () =>
  withReceiver(async ({ simulator, reading }) => {
    const { id } = await simulator.add({ fault: "no_agent" });
    const partial = await reading(id, isUp);
    assert.equal(value(partial, "kata_collector_sandbox_partial"), 1);
  }));

test("hostile lines are counted, and cannot define the agent's families", () =>
  withReceiver(async ({ simulator, reading }) => {
    const { id } = await simulator.add({ fault: "hostile" });
    const hostile = await reading(id, isUp);
    assert.ok((value(hostile, "kata_collector_sandbox_bad_lines") ?? 0) > 0);
    assert.equal(value(hostile, "kata_collector_sandbox_up"), 1);
    const names = hostile.schema.families.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  }));

test("a runtime-rs sandbox under QEMU is never asked, and reported as unsafe", () =>
  withReceiver(
    async ({ simulator, reading }) => {
      const sandbox = await simulator.add({ flavor: "rs" });
      const unsafe = await reading(sandbox.id, () => true);
      assert.equal(state(unsafe), "unsafe");
      assert.equal(sandbox.shim?.scrapes, 0);
    },
    { simulator: { hypervisor: "qemu" } },
  ));

test("an operator may allow QEMU", () =>
  withReceiver(
    async ({ simulator, reading }) => {
      const { id } = await simulator.add({ flavor: "rs" });
      await reading(id, isUp);
    },
    { simulator: { hypervisor: "qemu" }, config: { unsafe_hypervisors: ["qemu"] } },
  ));

test("a socket that comes late is scraped, and its sandbox shows nothing before", () =>
  withReceiver(
    async ({ simulator, reading, readings }) => {
      const { id } = await simulator.add();
      assert.equal(readings.get(id), undefined);
      const [first] = [await reading(id, () => true)];
      assert.equal(state(first), "up");
    },
    { simulator: { bootDelayMs: 600 } },
  ));

test("roots that come, go, and come again are followed", () =>
  withReceiver(async ({ simulator, reading, ended }) => {
    const { id } = await simulator.add();
    await reading(id, isUp);
    await rename(simulator.goRoot, `${simulator.goRoot}.away`);
    await poll("the end", () => ended.includes(id) || undefined);
    await mkdir(simulator.goRoot);
    const { id: other } = await simulator.add();
    await reading(other, isUp);
    await rm(`${simulator.goRoot}.away`, { recursive: true });
  }));

// The watcher reports nothing that happens before it is ready, and does not say when it is: so sandboxes are added until one
// is seen. Without a watcher none would be seen, since the next scan is in ten minutes.
const WATCHER_ALONE = { collection_interval: "100ms", reconcile_interval: "10m" };

test("the watcher shows a sandbox long before the next scan of the roots", () =>
  withReceiver(
    async ({ simulator, readings, ended }) => {
      await simulator.add();
      await poll("the first look", () => (readings.size > 0 ? true : undefined));
      const before = new Set(readings.keys());
      const seen = await poll("a hint", async () => {
        await simulator.add();
        return [...readings.keys()].find((id) => !before.has(id));
      });
      await simulator.end(seen);
      await poll("the end", () => ended.includes(seen) || undefined);
    },
    { config: WATCHER_ALONE },
  ));

test("the watcher sees a root that is made several levels deep after the start", async () => {
  const dir = await mkdtemp(join(tmpdir(), "late-"));
  const [early, late] = [join(dir, "early"), join(dir, "run/vc/sbs")];
  await mkdir(early);
  try {
    await withReceiver(
      async ({ simulator, readings }) => {
        const addUnder = async (root: string): Promise<string> => {
          const { id, directory } = await simulator.add();
          await mkdir(root, { recursive: true });
          await rename(directory, join(root, id));
          return id;
        };
        const first = await addUnder(early);
        await poll("the first look", () => (readings.has(first) ? true : undefined));
        const added: string[] = [];
        await poll("a hint", async () => {
          added.push(await addUnder(late));
          return added.some((id) => readings.has(id)) || undefined;
        });
      },
      { config: { ...WATCHER_ALONE, roots: [early, late] } },
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("if the watcher sees nothing, the next scan finds what came and went", () =>
  withReceiver(async ({ simulator, reading, ended }) => {
    const { id } = await simulator.add();
    await reading(id, isUp);
    // The watcher does not report what happens above the root.
    const above = dirname(dirname(simulator.goRoot));
    await rename(above, `${above}.away`);
    await mkdir(simulator.goRoot, { recursive: true });
    await poll("the end", () => ended.includes(id) || undefined);
    const { id: other } = await simulator.add();
    await reading(other, isUp);
    await rm(`${above}.away`, { recursive: true });
  }));

test("a directory that was replaced under its name ends, and its successor is shown as another", () =>
  withReceiver(
    async ({ simulator, reading, readings, ended }) => {
      const { id, directory } = await simulator.add();
      const first = await reading(id, isUp);
      const elsewhere = await simulator.add({ flavor: "rs" });
      await rename(directory, `${simulator.goRoot}.old`);
      await rename(elsewhere.directory, directory);
      const second = await reading(id, (one) => isUp(one) && one.resource !== first.resource);
      assert.ok(ended.includes(id));
      assert.notEqual(second.startMs, first.startMs);
      assert.ok(
        readings.get(id)?.every(({ startMs }) => startMs === first.startMs || startMs === second.startMs),
      );
      await rename(directory, elsewhere.directory);
      await rename(`${simulator.goRoot}.old`, directory);
    },
    { config: { reconcile_interval: "10m" } },
  ));

test("a sandbox under QEMU that replaces another one is not asked instead of it", async () => {
  const dir = await mkdtemp(join(tmpdir(), "qemu-"));
  const other = await startSimulator({ dir, sandboxes: 1, flavor: "rs", hypervisor: "qemu", cri: false });
  const [qemu = assert.fail()] = other.sandboxes.values();
  try {
    await withReceiver(async ({ simulator, reading }) => {
      const { id, directory } = await simulator.add({ flavor: "rs" });
      const first = await reading(id, isUp);
      await rename(directory, `${simulator.rsRoot}.old`);
      await rename(qemu.directory, directory);
      const unsafe = await reading(id, (one) => one.resource !== first.resource);
      assert.equal(state(unsafe), "unsafe");
      assert.equal(qemu.shim?.scrapes, 0);
      await rename(directory, qemu.directory);
      await rename(`${simulator.rsRoot}.old`, directory);
    });
  } finally {
    await other.close();
    await rm(dir, { recursive: true, force: true });
  }
});

test("if two roots have a sandbox of one id, the one that answers is shown, and one ends before the other is shown", () =>
  withReceiver(async ({ simulator, reading, readings, ended }) => {
    const left = await simulator.add({ flavor: "go", fault: "refuse" });
    const { id } = left;
    // A connection that was made before the shim closed its socket is reset.
    await reading(id, (one) => state(one) === "stale");
    const live = await simulator.add({ flavor: "rs" });
    await rename(live.directory, join(simulator.rsRoot, id));
    const shown = await reading(id, isUp);
    assert.equal(attributeOf(shown.resource, "kata.runtime"), "rs");
    assert.ok(ended.includes(id), "the one that is left over has ended");
    const before = readings.get(id)?.length ?? 0;
    await poll("more readings", () => (readings.get(id)?.length ?? 0) > before + 3 || undefined);
    assert.ok(
      readings
        .get(id)
        ?.slice(before)
        .every(({ resource }) => resource === shown.resource),
    );
    await rename(join(simulator.rsRoot, id), live.directory);
  }));

test("something else at the socket's path is not touched", () =>
  withReceiver(async ({ simulator, reading, readings }) => {
    const elsewhere = await simulator.add();
    await reading(elsewhere.id, isUp);
    await mkdir(join(simulator.goRoot, "file"));
    await writeFile(join(simulator.goRoot, "file/shim-monitor.sock"), "");
    await mkdir(join(simulator.goRoot, "link"));
    await symlink(elsewhere.socketPath, join(simulator.goRoot, "link/shim-monitor.sock"));
    for (const id of ["file", "link"]) {
      assert.equal(state(await reading(id, () => true)), "unsafe", id);
      assert.ok(!readings.get(id)?.some(isUp), id);
    }
  }));

test("one shim never has two scrapes at a time", async () => {
  const dir = await mkdtemp(join(tmpdir(), "shim-"));
  const path = join(dir, "shim-monitor.sock");
  let open = 0;
  let most = 0;
  const server: Server = createServer((socket) => {
    most = Math.max(most, ++open);
    // A socket must be read to learn that its peer has closed the connection.
    socket.resume();
    socket.on("close", () => open--);
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await withReceiver(
      async ({ reading, simulator }) => {
        await rename(dir, join(simulator.goRoot, "slow"));
        await reading("slow", (one) => !isUp(one));
      },
      { config: { collection_interval: "100ms" } },
    );
    assert.equal(most, 1);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true, force: true });
  }
});
