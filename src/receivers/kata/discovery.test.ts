import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Discovery } from "./discovery.ts";

interface Scene {
  readonly dir: string;
  readonly log: string[];
  readonly discovery: Discovery;
  /** Makes a directory under the temporary one. */
  make(...paths: string[]): Promise<void>;
  /** What a thorough look reports, sorted. */
  look(): Promise<string[]>;
}

async function withRoots(play: (scene: Scene) => Promise<void>, sandboxesMax = 10_000): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "discovery-"));
  const log: string[] = [];
  const discovery = new Discovery({
    roots: [
      { path: join(dir, "sbs"), runtime: "go" },
      { path: join(dir, "kata"), runtime: "rs" },
    ],
    sandboxesMax,
    events: {
      found: ({ id, runtime }) => log.push(`+${id} ${runtime}`),
      gone: ({ id }) => log.push(`-${id}`),
      rootState: ({ path }, error) =>
        log.push(`root ${path.slice(dir.length)} ${error === undefined ? "ok" : "bad"}`),
      ignored: (path, reason) => log.push(`ignored ${path.slice(dir.length)}: ${reason}`),
    },
  });
  const scene: Scene = {
    dir,
    log,
    discovery,
    async make(...paths) {
      for (const path of paths) await mkdir(join(dir, path), { recursive: true });
    },
    async look() {
      log.length = 0;
      await discovery.reconcile(true);
      return [...log].sort();
    },
  };
  try {
    await play(scene);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test("a directory under a root is a sandbox from its coming to its going", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "kata/b");
    assert.deepEqual(await look(), ["+a go", "+b rs"]);
    assert.deepEqual(await look(), []);
    await rm(join(dir, "sbs/a"), { recursive: true });
    assert.deepEqual(await look(), ["-a"]);
  }));

test("roots may be missing, come later, go and come again", () =>
  withRoots(async ({ dir, make, look }) => {
    assert.deepEqual(await look(), []);
    await make("sbs/a");
    assert.deepEqual(await look(), ["+a go"]);
    await rm(join(dir, "sbs"), { recursive: true });
    assert.deepEqual(await look(), ["-a"]);
    await make("sbs/a");
    assert.deepEqual(await look(), ["+a go"]);
  }));

test("a directory that was replaced under its name is another sandbox", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "elsewhere/a");
    await look();
    await rename(join(dir, "sbs/a"), join(dir, "old"));
    await rename(join(dir, "elsewhere/a"), join(dir, "sbs/a"));
    assert.deepEqual(await look(), ["+a go", "-a"]);
  }));

test("a root that was swapped for another has that one's sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "sbs/b", "new/b", "new/c");
    await look();
    await rename(join(dir, "sbs"), join(dir, "old"));
    await rename(join(dir, "new"), join(dir, "sbs"));
    assert.deepEqual(await look(), ["+b go", "+c go", "-a", "-b"]);
  }));

test("files, links, strange names and the jailer's tree are no sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/ok", "sbs/with space", "kata/firecracker/x", "sbs/firecracker");
    await writeFile(join(dir, "sbs/file"), "");
    await symlink(join(dir, "sbs/ok"), join(dir, "sbs/link"));
    assert.deepEqual(await look(), [
      "+firecracker go",
      "+ok go",
      "ignored /sbs/link: a symbolic link is no sandbox",
      "ignored /sbs/with space: not a sandbox id",
    ]);
    assert.deepEqual(await look(), [], "said once");
  }));

test("an id under both roots is the first root's, and the second's once that has gone", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "kata/a");
    assert.deepEqual(await look(), ["+a go", "ignored /kata/a: the same id is under another root"]);
    await rm(join(dir, "sbs/a"), { recursive: true });
    assert.deepEqual(await look(), ["+a rs", "-a"]);
  }));

test("sandboxes past the limit are named, and taken when there is room", () =>
  withRoots(async ({ dir, make, look, discovery }) => {
    await make("sbs/a", "sbs/b");
    const first = await look();
    assert.equal(discovery.size, 1);
    assert.equal(first.filter((line) => line.includes("more sandboxes than the limit")).length, 1);
    const [taken = ""] = first.filter((line) => line.startsWith("+"));
    await rm(join(dir, "sbs", taken.slice(1, 2)), { recursive: true });
    assert.equal((await look()).filter((line) => line.startsWith("+")).length, 1);
  }, 1));

test("a root that cannot be read keeps its sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a");
    await look();
    await rename(join(dir, "sbs"), join(dir, "old"));
    // A link to itself gives ELOOP whoever asks, even root.
    await symlink(join(dir, "sbs"), join(dir, "sbs"));
    assert.deepEqual(await look(), ["root /sbs bad"]);
    await rm(join(dir, "sbs"));
    await rename(join(dir, "old"), join(dir, "sbs"));
    assert.deepEqual(await look(), ["root /sbs ok"]);
  }));

test("a thousand sandboxes that come and go quickly leave nothing behind", () =>
  withRoots(async ({ dir, make, look, discovery, log }) => {
    const names = Array.from({ length: 1_000 }, (_, index) => `sbs/s${index}`);
    const watching = (async () => {
      for (let pass = 0; pass < 5; pass++) await discovery.reconcile(false);
    })();
    await Promise.all(names.map((name) => make(name)));
    await Promise.all(names.slice(0, 990).map((name) => rm(join(dir, name), { recursive: true })));
    await watching;
    await discovery.reconcile(true);
    assert.equal(discovery.size, 10);
    const came = log.filter((line) => line.startsWith("+")).length;
    const went = log.filter((line) => line.startsWith("-")).length;
    assert.equal(came - went, 10);
    await look();
  }));
