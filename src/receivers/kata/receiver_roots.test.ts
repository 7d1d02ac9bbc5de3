// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { isUp, withReceiver } from "../../../test/kit/kata/receiver.ts";
import { systemClock } from "../../clock/clock.ts";
import { SANDBOX_SOURCES } from "../../kata/sandboxes.ts";
import { factory } from "./factory.ts";

test("real sandboxes are scraped although more empty directories than the limit were there before them", () =>
  withReceiver(
    async ({ simulator, reading, source }) => {
      for (let i = 0; i < 500; i++) mkdirSync(join(simulator.goRoot, `empty-${i}`));
      const before = [await simulator.add(), await simulator.add()];
      for (const { id } of before) await reading(id, isUp);
      for (let i = 500; i < 1_000; i++) mkdirSync(join(simulator.goRoot, `empty-${i}`));
      const after = await simulator.add();
      await reading(after.id, isUp);
      assert.equal(source.sandboxes().length, 20, "the rest of the places goes to those without a socket");
      assert.deepEqual(
        source
          .sandboxes()
          .filter(({ state }) => state === "up")
          .map(({ id }) => id)
          .sort(),
        [...before, after].map(({ id }) => id).sort(),
      );
    },
    { config: { limits: { sandboxes: 20 } } },
  ));

test("a second receiver with the same directory under another path never asks its shims", () =>
  withReceiver(async ({ simulator, reading, source }) => {
    const sandbox = await simulator.add();
    await reading(sandbox.id, isUp);
    const link = `${simulator.goRoot}-link`;
    await symlink(simulator.goRoot, link);
    const host = testSettings().host;
    host.single(SANDBOX_SOURCES).add("kata", source);
    const settings = testSettings({ id: "kata/other", clock: systemClock, host });
    const config = factory.schema.parse({
      roots: [link],
      collection_interval: "200ms",
      reconcile_interval: "1s",
    });
    const other = factory.create(config, settings, {
      noRoom: () => undefined,
      consume: () => assert.fail("a reading of the second receiver"),
      end: () => assert.fail("an end by the second receiver"),
    });
    await other.start();
    try {
      const before = sandbox.shim?.scrapes ?? 0;
      await reading(sandbox.id, () => (sandbox.shim?.scrapes ?? 0) > before + 5);
    } finally {
      await other.shutdown(AbortSignal.timeout(1_000));
    }
  }));
