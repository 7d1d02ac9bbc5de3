// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { command, lacksMounts } from "../../../../test/kit/mounts.ts";
import { poll } from "../../../../test/kit/poll.ts";
import { FakeClock } from "../../../clock/fake_clock.ts";
import type { Offers } from "../../../component/offers.ts";
import { SANDBOX_SOURCES, type SandboxSource } from "../../../kata/sandboxes.ts";
import { createHost } from "../../../pipeline/host.ts";
import { SOCKET_NAME } from "./found_sandbox.ts";
import { ScanScheduler } from "./scan_scheduler.ts";

const RECONCILE_MS = 10_000;
/** The time from a hint to the check, between two checks of the roots themselves, and from a change of a root to the scan. */
const HINT_MS = 30;
const CHECK_MS = 1_000;
const ROOTS_MS = CHECK_MS + HINT_MS;

interface Scanned {
  readonly scheduler: ScanScheduler;
  readonly clock: FakeClock;
  readonly log: string[];
  /** Lets the time pass, and returns the reports since the last call. */
  after(ms: number): Promise<string[]>;
  /** Waits for the report that a hint causes; the kernel sends hints when it likes. */
  hinted(line: string): Promise<void>;
  /** Ends as a receiver does. */
  end(): void;
}

interface Scene {
  readonly dir: string;
  /** Begins to scan these directories of the scene, as the receiver of this id; the receivers share a host. */
  look(id: string, roots: readonly string[], sandboxesMax?: number): Scanned;
  make(path: string): Promise<void>;
  /** Makes a shim's socket in the directory. */
  listen(path: string): Promise<void>;
}

interface LookOptions {
  /** The scene's directory; logged paths are relative to it. */
  readonly dir: string;
  readonly id: string;
  readonly roots: readonly string[];
  readonly sandboxesMax: number;
  readonly sources: Offers<SandboxSource>;
}

/** Begins to scan, and offers the followed sandboxes as a receiver does. */
function beginLook({ dir, id, roots, sandboxesMax, sources }: LookOptions): Scanned {
  const clock = new FakeClock();
  const log: string[] = [];
  const scheduler = new ScanScheduler({
    id,
    roots: roots.map((path) => ({ path: join(dir, path), runtime: "go" })),
    sandboxesMax,
    initialDelayMs: 0,
    reconcileIntervalMs: RECONCILE_MS,
    clock,
    sources,
    events: {
      found: ({ directory }) => log.push(`+${directory.slice(dir.length)}`),
      gone: ({ directory }, why) => log.push(`${why} ${directory.slice(dir.length)}`),
      rootState: ({ path }, { state }) => log.push(`${path.slice(dir.length)} is ${state}`),
      ignored: (path, reason) => log.push(`ignored ${path.slice(dir.length)}: ${reason.replaceAll(dir, "")}`),
    },
    onWatchFault: (_, error) => assert.fail(error),
  });
  const withdraw = sources.add(id, {
    sandboxes: () => [],
    roots: () => roots,
    owns: (key) => scheduler.owns(key),
    lastScrape: () => undefined,
    rawPage: () => undefined,
    agentUrl: () => undefined,
  });
  scheduler.start();
  return {
    scheduler,
    clock,
    log,
    async after(ms) {
      await clock.advance(ms);
      return log.splice(0).sort();
    },
    hinted: async (line) => {
      await poll(line, async () => {
        await clock.advance(HINT_MS);
        return log.includes(line) || undefined;
      });
    },
    end() {
      withdraw();
      scheduler.stop();
    },
  };
}

async function withScene(play: (scene: Scene) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "scans-"));
  const sources = createHost().single(SANDBOX_SOURCES);
  const begun: Scanned[] = [];
  const servers: Server[] = [];
  const scene: Scene = {
    dir,
    look(id, roots, sandboxesMax = 4_096) {
      const looked = beginLook({ dir, id, roots, sandboxesMax, sources });
      begun.push(looked);
      return looked;
    },
    make: async (path) => void (await mkdir(join(dir, path), { recursive: true })),
    listen(path) {
      const server = createServer();
      servers.push(server);
      return new Promise((resolve) => server.listen(join(dir, path, SOCKET_NAME), resolve));
    },
  };
  try {
    await play(scene);
  } finally {
    for (const { end } of begun) end();
    for (const server of servers) server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

test("a name that the watcher hints at is checked long before the next scan of the root", () =>
  withScene(async ({ dir, look, make }) => {
    await make("sbs");
    const { after, hinted, clock } = look("kata", ["sbs"]);
    assert.deepEqual(await after(0), ["/sbs is readable"]);
    await make("sbs/a");
    await hinted("+/sbs/a");
    await rm(join(dir, "sbs/a"), { recursive: true });
    await hinted("removed /sbs/a");
    assert.ok(clock.monotonicMs() < RECONCILE_MS);
  }));

test("if there are more hints than can be kept, everything is scanned", () =>
  withScene(async ({ look, make, dir }) => {
    await make("sbs");
    const { hinted, scheduler, log, clock } = look("kata", ["sbs"]);
    await clock.advance(0);
    for (let i = 0; i < 600; i++) await mkdir(join(dir, "sbs", `s${i}`));
    await hinted("+/sbs/s0");
    await poll("all of them", async () => {
      await clock.advance(HINT_MS);
      return log.length === 601 || undefined;
    });
    assert.equal(scheduler.socketlessCount, 600);
    assert.ok(clock.monotonicMs() < RECONCILE_MS);
  }));

test("a root that comes, goes, comes again or is replaced is seen within a second, whatever is above it", () =>
  withScene(async ({ dir, look, make }) => {
    const { after, hinted } = look("kata", ["run/vc/sbs"]);
    assert.deepEqual(await after(0), ["/run/vc/sbs is missing"]);
    await make("run/vc/sbs/a");
    assert.deepEqual(await after(ROOTS_MS), ["+/run/vc/sbs/a", "/run/vc/sbs is readable"]);
    await make("run/vc/sbs/b");
    await hinted("+/run/vc/sbs/b");
    await after(0);
    await rename(join(dir, "run"), join(dir, "away"));
    assert.deepEqual(await after(ROOTS_MS), [
      "/run/vc/sbs is missing",
      "removed /run/vc/sbs/a",
      "removed /run/vc/sbs/b",
    ]);
    await rename(join(dir, "away"), join(dir, "run"));
    assert.deepEqual(await after(ROOTS_MS), ["+/run/vc/sbs/a", "+/run/vc/sbs/b", "/run/vc/sbs is readable"]);
    await make("new/c");
    await rename(join(dir, "run/vc/sbs"), join(dir, "old"));
    await rename(join(dir, "new"), join(dir, "run/vc/sbs"));
    const swapped = await after(ROOTS_MS);
    assert.deepEqual(swapped, ["+/run/vc/sbs/c", "removed /run/vc/sbs/a", "removed /run/vc/sbs/b"]);
  }));

test("a socket that is made in an old directory without a place is found at the next scan", () =>
  withScene(async ({ look, make, listen }) => {
    for (const id of ["a", "b", "c"]) await make(`sbs/${id}`);
    const { after } = look("kata", ["sbs"], 1);
    const first = await after(0);
    const taken = first.find((line) => line.startsWith("+"))?.slice(1) ?? "";
    const late = ["/sbs/a", "/sbs/b", "/sbs/c"].find((directory) => directory !== taken) ?? "";
    await listen(late);
    assert.deepEqual(await after(RECONCILE_MS), [`+${late}`, `evicted ${taken}`]);
  }));

test("a new directory among very many is found within a second after its socket", () =>
  withScene(async ({ look, make, listen }) => {
    for (let i = 0; i < 300; i++) await make(`sbs/empty-${i}`);
    const { after, hinted, clock } = look("kata", ["sbs"], 10);
    await after(0);
    for (let i = 0; i < 100; i++) await make(`sbs/new-${i}`);
    await clock.advance(CHECK_MS);
    await listen("sbs/new-7");
    await hinted("+/sbs/new-7");
    assert.ok(clock.monotonicMs() < RECONCILE_MS);
  }));

test("two receivers follow a directory once, whatever its names; when one ends, the other takes over", () =>
  withScene(async ({ dir, look, make }) => {
    await make("run/a");
    await make("run/b");
    await symlink("run", join(dir, "var"));
    const one = look("kata/one", ["run"]);
    const two = look("kata/two", ["var"]);
    assert.deepEqual(await one.after(0), ["+/run/a", "+/run/b", "/run is readable"]);
    const [ignored = "", ...others] = (await two.after(0)).reverse();
    assert.match(
      ignored,
      /^ignored \/var\/[ab]: a sandbox that another receiver scrapes already: kata\/one$/,
    );
    assert.deepEqual(others, ["/var is readable"]);
    assert.deepEqual(await two.after(RECONCILE_MS), []);
    one.end();
    assert.deepEqual(await two.after(RECONCILE_MS), ["+/var/a", "+/var/b"]);
  }));

test("a receiver that replaces one of its own id takes over at once", () =>
  withScene(async ({ look, make }) => {
    await make("run/a");
    const old = look("kata", ["run"]);
    await old.after(0);
    const successor = look("kata", ["run"]);
    assert.deepEqual(await successor.after(0), ["+/run/a", "/run is readable"]);
    old.end();
    assert.deepEqual(await successor.after(RECONCILE_MS), []);
  }));

test("bind mounts of a root and of a sandbox make no second ones", { skip: lacksMounts() ?? false }, () =>
  withScene(async ({ dir, look, make }) => {
    for (const path of ["run/a", "whole", "part/a"]) await make(path);
    command("mount", "--bind", join(dir, "run"), join(dir, "whole"));
    command("mount", "--bind", join(dir, "run/a"), join(dir, "part/a"));
    try {
      const { after } = look("kata", ["run", "whole", "part"]);
      assert.deepEqual(await after(0), [
        "+/run/a",
        "/part is readable",
        "/run is readable",
        "/whole is readable",
        "ignored /part/a: the same directory as a sandbox that was found already: /run/a",
        "ignored /whole: the same directory as another root: /run",
      ]);
      assert.deepEqual(await after(RECONCILE_MS), []);
    } finally {
      command("umount", join(dir, "part/a"));
      command("umount", join(dir, "whole"));
    }
  }),
);

test("after the end no timer is left, and nothing is reported", () =>
  withScene(async ({ dir, look, make }) => {
    await make("sbs/a");
    const { after, end, clock } = look("kata", ["sbs"]);
    await after(0);
    await writeFile(join(dir, "sbs/file"), "");
    end();
    assert.equal(clock.timerCount, 0);
    await rm(join(dir, "sbs"), { recursive: true });
    assert.deepEqual(await after(RECONCILE_MS), []);
  }));
