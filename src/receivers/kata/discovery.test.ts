import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Discovery } from "./discovery.ts";

interface Scene {
  readonly dir: string;
  readonly log: string[];
  /** What was said of the roots. */
  readonly states: string[];
  readonly discovery: Discovery;
  /** Makes a directory under the temporary one. */
  make(...paths: string[]): Promise<void>;
  /** What a look reports, in its order. */
  look(): string[];
}

async function withRoots(play: (scene: Scene) => Promise<void>, sandboxesMax = 10_000): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "discovery-"));
  const log: string[] = [];
  const states: string[] = [];
  const discovery = new Discovery({
    roots: [
      { path: join(dir, "sbs"), runtime: "go" },
      { path: join(dir, "kata"), runtime: "rs" },
    ],
    sandboxesMax,
    events: {
      found: ({ id, root }) => log.push(`+${id} ${root.runtime}`),
      gone: ({ id }) => log.push(`-${id}`),
      rootState: ({ path }, { state }) => states.push(`${path.slice(dir.length)} ${state}`),
      ignored: (path, reason) => log.push(`ignored ${path.slice(dir.length)}: ${reason}`),
    },
  });
  const scene: Scene = {
    dir,
    log,
    states,
    discovery,
    async make(...paths) {
      for (const path of paths) await mkdir(join(dir, path), { recursive: true });
    },
    look() {
      log.length = 0;
      discovery.reconcile();
      return [...log];
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
    assert.deepEqual(look().sort(), ["+a go", "+b rs"]);
    assert.deepEqual(look(), []);
    await rm(join(dir, "sbs/a"), { recursive: true });
    assert.deepEqual(look(), ["-a"]);
  }));

test("roots may be missing, come later, go and come again", () =>
  withRoots(async ({ dir, make, look, states }) => {
    assert.deepEqual(look(), []);
    await make("sbs/a");
    assert.deepEqual(look(), ["+a go"]);
    await rm(join(dir, "sbs"), { recursive: true });
    assert.deepEqual(look(), ["-a"]);
    await make("sbs/a");
    assert.deepEqual(look(), ["+a go"]);
    assert.deepEqual(
      states,
      ["/sbs missing", "/kata missing", "/sbs readable", "/sbs missing", "/sbs readable"],
      "each change is said once",
    );
  }));

test("a root may be a link to a directory, and lead elsewhere later", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("one/a", "two/b");
    await symlink(join(dir, "one"), join(dir, "sbs"));
    assert.deepEqual(look(), ["+a go"]);
    await rm(join(dir, "sbs"));
    await symlink(join(dir, "two"), join(dir, "sbs"));
    assert.deepEqual(look(), ["-a", "+b go"]);
  }));

test("a directory that was replaced under its name is another sandbox", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "elsewhere/a");
    look();
    await rename(join(dir, "sbs/a"), join(dir, "old"));
    await rename(join(dir, "elsewhere/a"), join(dir, "sbs/a"));
    assert.deepEqual(look(), ["-a", "+a go"], "the old one ends before the new one comes");
  }));

test("a root that was swapped for another has that one's sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "sbs/b", "new/b", "new/c");
    look();
    await rename(join(dir, "sbs"), join(dir, "old"));
    await rename(join(dir, "new"), join(dir, "sbs"));
    const seen = look();
    assert.deepEqual([...seen].sort(), ["+b go", "+c go", "-a", "-b"]);
    assert.ok(seen.indexOf("-b") < seen.indexOf("+b go"), seen.join());
  }));

test("files, links, strange names and the jailer's tree are no sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/ok", "sbs/with space", "kata/firecracker/x", "sbs/firecracker");
    await writeFile(join(dir, "sbs/file"), "");
    await symlink(join(dir, "sbs/ok"), join(dir, "sbs/link"));
    assert.deepEqual(look().sort(), [
      "+firecracker go",
      "+ok go",
      "ignored /sbs/link: a symbolic link is no sandbox",
      "ignored /sbs/with space: not a sandbox id",
    ]);
    assert.deepEqual(look(), [], "said once");
  }));

test("an id under both roots is two sandboxes", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a", "kata/a");
    assert.deepEqual(look(), ["+a go", "+a rs"]);
    await rm(join(dir, "sbs/a"), { recursive: true });
    assert.deepEqual(look(), ["-a"]);
  }));

test("sandboxes past the limit are left out in one line, and taken when there is room", () =>
  withRoots(async ({ dir, make, look, discovery }) => {
    await make("sbs/a", "sbs/b", "sbs/c");
    const first = look();
    assert.equal(discovery.size, 1);
    const [taken = ""] = first;
    assert.deepEqual(first, [
      taken,
      "ignored /sbs: more sandboxes than limits::sandboxes; the excess is left out",
    ]);
    await rm(join(dir, "sbs", taken.slice(1, 2)), { recursive: true });
    assert.deepEqual(
      look().map((line) => line[0]),
      ["-", "+"],
    );
  }, 1));

test("a root that cannot be read keeps its sandboxes", () =>
  withRoots(async ({ dir, make, look, states }) => {
    await make("sbs/a");
    look();
    await rename(join(dir, "sbs"), join(dir, "old"));
    // A link to itself gives ELOOP whoever asks, even root.
    await symlink(join(dir, "sbs"), join(dir, "sbs"));
    assert.deepEqual(look(), []);
    assert.equal(states.at(-1), "/sbs unreadable");
    await rm(join(dir, "sbs"));
    await rename(join(dir, "old"), join(dir, "sbs"));
    assert.deepEqual(look(), []);
    assert.equal(states.at(-1), "/sbs readable");
  }));

test("a thousand sandboxes are taken in pass by pass, and leave nothing behind when they go", () =>
  withRoots(async ({ dir, make, discovery, log }) => {
    const names = Array.from({ length: 1_000 }, (_, index) => `sbs/s${index}`);
    await Promise.all(names.map((name) => make(name)));
    for (let pass = 1; pass <= 5; pass++) {
      assert.equal(discovery.reconcile(), pass === 5);
      assert.equal(discovery.size, pass * 200);
    }
    await Promise.all(names.slice(0, 990).map((name) => rm(join(dir, name), { recursive: true })));
    assert.equal(discovery.reconcile(), true);
    assert.equal(discovery.size, 10);
    assert.equal(log.filter((line) => line.startsWith("+")).length, 1_000);
    assert.equal(log.filter((line) => line.startsWith("-")).length, 990);
  }));

test("sandboxes that come and go while it looks are found and lost once each", () =>
  withRoots(async ({ dir, make, discovery, log }) => {
    const names = Array.from({ length: 300 }, (_, index) => `sbs/s${index}`);
    const churn = Promise.all(
      names.map(async (name, index) => {
        await make(name);
        if (index >= 10) await rm(join(dir, name), { recursive: true });
      }),
    );
    let churning = true;
    void churn.finally(() => {
      churning = false;
    });
    while (churning) {
      discovery.reconcile();
      await new Promise((resolve) => setImmediate(resolve));
    }
    discovery.reconcile();
    assert.equal(discovery.size, 10);
    const balance = new Map<string, number>();
    for (const line of log) {
      const id = line.slice(1).split(" ")[0] ?? "";
      balance.set(id, (balance.get(id) ?? 0) + (line.startsWith("+") ? 1 : -1));
    }
    for (const [id, count] of balance) assert.equal(count, Number(id.slice(1)) < 10 ? 1 : 0, id);
  }));
