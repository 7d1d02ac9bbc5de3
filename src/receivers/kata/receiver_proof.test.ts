// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isUp, type Scene, withReceiver } from "../../../test/kit/kata/receiver.ts";
import { LIFE_EVENTS, SandboxLife } from "../../../test/kit/kata/sandbox_life.ts";
import { poll } from "../../../test/kit/poll.ts";
import { attributeOf } from "../../metrics/model.ts";
import { seededRandom } from "../../simulator/random.ts";
import type { Runtime } from "./discovery/root.ts";

/** Roots below a temporary directory as the config has them, with the runtime that follows. */
const ROOTS: readonly (readonly [path: string, written: Runtime | undefined, runtime: Runtime])[] = [
  ["run/vc/sbs", undefined, "go"],
  ["run/kata", undefined, "rs"],
  ["elsewhere/go", "go", "go"],
  ["elsewhere/rs", "rs", "rs"],
  ["elsewhere/unknown", undefined, "unknown"],
];

interface ProofScene extends Scene {
  life(id: string, runtime: Runtime, path: string): SandboxLife;
  /** Waits until each sandbox was visited again. */
  nextRound(): Promise<void>;
}

async function withRoots(play: (scene: ProofScene) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "proof-"));
  const lives: SandboxLife[] = [];
  const life: ProofScene["life"] = (id, runtime, path) => {
    const made = new SandboxLife({ root: join(dir, path), id, runtime });
    lives.push(made);
    return made;
  };
  for (const [path] of ROOTS) mkdirSync(join(dir, path), { recursive: true });
  const roots = ROOTS.map(([path, runtime]) => ({ path: join(dir, path), ...(runtime && { runtime }) }));
  const config = { roots, collection_interval: "100ms" };
  try {
    await withReceiver(
      async (scene) => {
        const pacer = life("pacer", "go", "run/vc/sbs");
        pacer.apply("move in go");
        const rounds = (): number => scene.readings.get("pacer")?.length ?? 0;
        const nextRound = async (): Promise<void> => {
          const before = rounds();
          await poll("a round", () => rounds() > before || undefined);
        };
        await play({ ...scene, life, nextRound });
      },
      { config },
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
    for (const one of lives) one.close();
  }
}

test("whatever happens to many sandboxes, the receiver asks no unsafe shim, and in the end every safe one", () =>
  withRoots(async ({ source, life, nextRound }) => {
    const random = seededRandom(10);
    const lives = Array.from({ length: 60 }, (_, index) => {
      const [path, , runtime] = ROOTS[index % ROOTS.length] ?? assert.fail();
      const id = `s${index}`;
      return { id, life: life(id, runtime, path) };
    });
    for (let round = 0; round < 20; round++) {
      for (const { id, life } of lives) {
        life.apply("directory");
        life.apply(LIFE_EVENTS[Math.floor(random() * LIFE_EVENTS.length)] ?? assert.fail());
        if (random() < 0.2) source.agentUrl(id)?.catch(() => {});
      }
      await nextRound();
      for (const { id, life } of lives) assert.equal(life.harm, 0, id);
    }
    const safe = lives.map(({ id, life }) => {
      life.finish();
      return { id, life, before: life.safeRequests };
    });
    assert.ok(safe.filter(({ before }) => before !== undefined).length > 10);
    for (const { id, life, before } of safe)
      if (before !== undefined)
        await poll(`sandbox ${id} to be asked`, () => (life.safeRequests ?? 0) > before || undefined);
    for (const { id, life } of lives) assert.equal(life.harm, 0, id);
  }));

test("a sandbox of unknown runtime waits for proof, says so, and is shown under the runtime that it proved", () =>
  withRoots(async ({ source, life, nextRound, reading, readings, ended }) => {
    const statusOf = () => source.sandboxes().find(({ id }) => id === "a");
    const one = life("a", "unknown", "elsewhere/unknown");
    one.apply("directory");
    one.apply("bind go");
    await poll("a look at it", () => statusOf()?.code === "unproved" || undefined);
    await nextRound();
    const { state, runtime, reason } = statusOf() ?? assert.fail();
    assert.deepEqual([state, runtime, one.safeRequests], ["pending", "unknown", 0]);
    assert.match(reason, /name it in receivers::kata::roots/);
    assert.equal(readings.get("a"), undefined);
    await assert.rejects(source.agentUrl("a") ?? assert.fail(), /it is pending: neither/);
    one.apply("persist");
    const runtimeIs = (want: Runtime) =>
      reading("a", (each) => isUp(each) && attributeOf(each.resource, "kata.runtime") === want);
    await runtimeIs("go");
    assert.equal(statusOf()?.runtime, "go");
    // The same directory with a shim of another runtime is another source of readings.
    one.apply("bind clh");
    one.apply("state");
    await runtimeIs("rs");
    assert.equal(statusOf()?.runtime, "rs");
    assert.ok(ended.includes("a"));
  }));
