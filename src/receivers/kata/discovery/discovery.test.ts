// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keyBehind } from "./directory_identity.ts";
import { Discovery } from "./discovery.ts";
import type { Root } from "./root.ts";

interface Scene {
  readonly dir: string;
  readonly log: string[];
  /** The states of the roots that were reported. */
  readonly states: string[];
  readonly discovery: Discovery;
  readonly roots: readonly [go: Root, rs: Root];
  /** The owners of directories that another receiver follows, by identity. */
  readonly owned: Map<string, string>;
  /** Makes a directory under the temporary one. */
  make(...paths: string[]): Promise<void>;
  /** Makes a scan, and returns its reports in order. */
  look(): string[];
}

async function withRoots(
  play: (scene: Scene) => Promise<void>,
  { sandboxesMax = 10_000, monotonicMs = (): number => 0 } = {},
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "discovery-"));
  const log: string[] = [];
  const states: string[] = [];
  const owned = new Map<string, string>();
  const roots: readonly [Root, Root] = [
    { path: join(dir, "sbs"), runtime: "go" },
    { path: join(dir, "kata"), runtime: "rs" },
  ];
  const discovery = new Discovery({
    roots,
    sandboxesMax,
    monotonicMs,
    hasSocket: (directory) => existsSync(join(directory, "socket")),
    ownerOf: (key) => owned.get(key),
    events: {
      found: ({ id, runtime }) => log.push(`+${id} ${runtime}`),
      gone: ({ id }, why) => log.push(why === "removed" ? `-${id}` : `let go ${id}`),
      rootState: ({ path }, { state }) => states.push(`${path.slice(dir.length)} ${state}`),
      ignored: (path, reason) => log.push(`ignored ${path.slice(dir.length)}: ${reason}`),
    },
  });
  const scene: Scene = {
    dir,
    log,
    states,
    discovery,
    roots,
    owned,
    async make(...paths) {
      for (const path of paths) await mkdir(join(dir, path), { recursive: true });
    },
    look() {
      log.length = 0;
      while (!discovery.reconcile());
      return [...log];
    },
  };
  try {
    await play(scene);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test("a directory under a root is a sandbox while it exists", () =>
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

test("a root that was replaced by another directory has that directory's sandboxes", () =>
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

test("sandboxes over the limit are reported once, and followed when there is room", () =>
  withRoots(
    async ({ dir, make, look, discovery }) => {
      await make("sbs/a", "sbs/b", "sbs/c");
      const first = look();
      assert.equal(discovery.size, 1);
      const [taken = ""] = first;
      assert.deepEqual(first, [
        taken,
        "ignored /sbs: more directories than limits::sandboxes; those with a socket come first, the excess is left out",
      ]);
      await rm(join(dir, "sbs", taken.slice(1, 2)), { recursive: true });
      assert.deepEqual(
        look().map((line) => line[0]),
        ["-", "+"],
      );
    },
    { sandboxesMax: 1 },
  ));

test("a root that cannot be read keeps its sandboxes", () =>
  withRoots(async ({ dir, make, look, states }) => {
    await make("sbs/a");
    look();
    await rename(join(dir, "sbs"), join(dir, "old"));
    // A link to itself gives ELOOP to every user, even root.
    await symlink(join(dir, "sbs"), join(dir, "sbs"));
    assert.deepEqual(look(), []);
    assert.equal(states.at(-1), "/sbs unreadable");
    await rm(join(dir, "sbs"));
    await rename(join(dir, "old"), join(dir, "sbs"));
    assert.deepEqual(look(), []);
    assert.equal(states.at(-1), "/sbs readable");
  }));

test("a thousand sandboxes are admitted slice by slice, and nothing is kept of them when they are gone", () =>
  withRoots(async ({ dir, make, discovery, log }) => {
    const names = Array.from({ length: 1_000 }, (_, index) => `sbs/s${index}`);
    await Promise.all(names.map((name) => make(name)));
    for (let pass = 1; pass <= 5; pass++) {
      assert.equal(discovery.reconcile(), false);
      assert.equal(discovery.size, pass * 200);
    }
    assert.equal(discovery.reconcile(), true);
    await Promise.all(names.slice(0, 990).map((name) => rm(join(dir, name), { recursive: true })));
    assert.equal(discovery.reconcile(), true);
    assert.equal(discovery.size, 10);
    assert.equal(log.filter((line) => line.startsWith("+")).length, 1_000);
    assert.equal(log.filter((line) => line.startsWith("-")).length, 990);
  }));

test("sandboxes that come and go during a scan are reported once each", () =>
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
    while (!discovery.reconcile());
    discovery.reconcile();
    assert.equal(discovery.size, 10);
    const balance = new Map<string, number>();
    for (const line of log) {
      const id = line.slice(1).split(" ")[0] ?? "";
      balance.set(id, (balance.get(id) ?? 0) + (line.startsWith("+") ? 1 : -1));
    }
    for (const [id, count] of balance) assert.equal(count, Number(id.slice(1)) < 10 ? 1 : 0, id);
  }));

test("a slice ends when its time is over, and the next slice continues the scan", () => {
  let nowMs = 0;
  return withRoots(
    async ({ make, discovery }) => {
      for (let i = 0; i < 20; i++) await make(`sbs/s${i}`);
      let slices = 1;
      while (!discovery.reconcile()) slices++;
      assert.ok(slices > 4, `${slices}`);
      assert.equal(discovery.size, 20);
    },
    // Each call takes a millisecond.
    { monotonicMs: () => nowMs++ },
  );
});

test("if there are more directories than the limit, those with a socket come first, whenever they are made", () =>
  withRoots(
    async ({ dir, make, look, log, discovery, roots }) => {
      await make("sbs/a", "sbs/b", "sbs/c", "sbs/d");
      look();
      assert.equal(discovery.socketlessCount, 2);
      const left = ["a", "b", "c", "d"].filter((id) => !log.includes(`+${id} go`));
      const [late = "", later = ""] = left;
      await writeFile(join(dir, "sbs", late, "socket"), "");
      const seen = look();
      assert.deepEqual(
        seen.map((line) => line.replace(/ [abcd]$/, "")),
        ["let go", `+${late} go`],
        "in an old directory",
      );
      assert.equal(discovery.size, 2);
      assert.equal(discovery.socketlessCount, 1);
      await writeFile(join(dir, "sbs", later, "socket"), "");
      discovery.lookAt(roots[0], later);
      assert.equal(discovery.socketlessCount, 0);
      assert.equal(discovery.size, 2);
      await make("kata/new");
      await writeFile(join(dir, "kata/new/socket"), "");
      assert.deepEqual(look(), [
        "ignored /kata: more directories than limits::sandboxes; those with a socket come first, the excess is left out",
      ]);
    },
    { sandboxesMax: 2 },
  ));

test("a sandbox whose socket is gone may be evicted; one that has got its socket since the last scan may not", () =>
  withRoots(
    async ({ dir, make, look, discovery, roots }) => {
      await make("sbs/a", "sbs/b");
      await writeFile(join(dir, "sbs/a/socket"), "");
      assert.deepEqual(look().sort(), ["+a go", "+b go"]);
      await rm(join(dir, "sbs/a/socket"));
      look();
      assert.equal(discovery.socketlessCount, 2);
      await writeFile(join(dir, "sbs/b/socket"), "");
      await make("sbs/c", "sbs/d");
      await writeFile(join(dir, "sbs/c/socket"), "");
      discovery.lookAt(roots[0], "c");
      discovery.lookAt(roots[0], "d");
      assert.deepEqual(
        ["a", "b", "c", "d"].map((id) => discovery.owns(keyBehind(join(dir, "sbs", id)) ?? "")),
        [false, true, true, false],
      );
    },
    { sandboxesMax: 2 },
  ));

test("ignored entries are reported once for each reason, and again only after a scan without them", () =>
  withRoots(
    async ({ dir, make, look }) => {
      const flood = async (): Promise<void> => {
        for (let i = 0; i < 50; i++) {
          await make(`sbs/not an id ${i}`, `kata/k${i}`);
          await symlink(dir, join(dir, `sbs/link${i}`));
        }
      };
      await flood();
      const kinds = look()
        .filter((line) => line.startsWith("ignored"))
        .map((line) => line.replace(/^.*: /, ""))
        .sort();
      assert.deepEqual(kinds, [
        "a symbolic link is no sandbox",
        "more directories than limits::sandboxes; those with a socket come first, the excess is left out",
        "not a sandbox id",
      ]);
      assert.deepEqual(look(), []);
      await rm(join(dir, "sbs"), { recursive: true });
      assert.deepEqual(look(), []);
      await flood();
      assert.equal(look().length, 2);
    },
    { sandboxesMax: 5 },
  ));

test("a root that leads to the same directory as an earlier one is ignored, and takes over when that one goes", () =>
  withRoots(async ({ dir, make, look, discovery, roots }) => {
    await make("sbs/a", "sbs/b");
    await symlink(join(dir, "sbs"), join(dir, "kata"));
    assert.deepEqual(look().sort(), [
      "+a unknown",
      "+b unknown",
      `ignored /kata: the same directory as another root: ${roots[0].path}, of runtime go there and rs here: each of its sandboxes has to prove it`,
    ]);
    discovery.lookAt(roots[1], "a");
    assert.deepEqual(look(), []);
    await rename(join(dir, "sbs"), join(dir, "real"));
    await rm(join(dir, "kata"));
    await symlink(join(dir, "real"), join(dir, "kata"));
    assert.deepEqual(look().sort(), ["+a rs", "+b rs", "-a", "-b"]);
    await symlink(join(dir, "real"), join(dir, "sbs"));
    const seen = look();
    assert.deepEqual(
      seen.slice(0, 2).sort(),
      ["let go a", "let go b"],
      "the first root is the one to follow",
    );
    assert.deepEqual(seen.slice(2, 4).sort(), ["+a unknown", "+b unknown"]);
  }));

test("a sandbox has to prove its runtime while its root is also listed with another runtime", () =>
  withRoots(async ({ dir, make, look }) => {
    await make("sbs/a");
    assert.deepEqual(look(), ["+a go"]);
    await symlink(join(dir, "sbs"), join(dir, "kata"));
    assert.deepEqual(look().slice(0, 2), ["let go a", "+a unknown"]);
    await rm(join(dir, "kata"));
    assert.deepEqual(look(), ["let go a", "+a go"]);
  }));

test("a renamed directory is a new sandbox, not a duplicate of the old one", () =>
  withRoots(async ({ dir, make, look, log, discovery, roots }) => {
    await make("sbs/a");
    look();
    await rename(join(dir, "sbs/a"), join(dir, "sbs/b"));
    log.length = 0;
    discovery.lookAt(roots[0], "b");
    assert.deepEqual(log, ["-a", "+b go"]);
    assert.equal(discovery.size, 1);
  }));

test("a directory that another receiver follows is ignored, reported once, and followed when that receiver has ended", () =>
  withRoots(async ({ dir, make, look, owned }) => {
    await make("sbs/a", "sbs/b", "sbs/c");
    for (const id of ["a", "b"]) owned.set(keyBehind(join(dir, "sbs", id)) ?? "", "kata/other");
    const [said = "", ...found] = look().sort((one, other) => (one < other ? 1 : -1));
    assert.match(said, /^ignored \/sbs\/[ab]: a sandbox that another receiver scrapes already: kata\/other$/);
    assert.deepEqual(found, ["+c go"]);
    assert.deepEqual(look(), []);
    owned.clear();
    assert.deepEqual(look().sort(), ["+a go", "+b go"]);
  }));

test("a followed directory is known by its identity", () =>
  withRoots(async ({ dir, make, look, discovery }) => {
    await make("sbs/a");
    const key = keyBehind(join(dir, "sbs/a")) ?? assert.fail();
    assert.ok(!discovery.owns(key));
    look();
    assert.ok(discovery.owns(key));
    await rm(join(dir, "sbs/a"), { recursive: true });
    look();
    assert.ok(!discovery.owns(key));
  }));

test("after the close nothing is reported", () =>
  withRoots(async ({ dir, make, look, log, discovery, roots }) => {
    await make("sbs/a");
    look();
    log.length = 0;
    discovery.close();
    await make("sbs/b");
    await rm(join(dir, "sbs/a"), { recursive: true });
    discovery.lookAt(roots[0], "a");
    discovery.lookAt(roots[0], "b");
    assert.deepEqual(log, []);
  }));

test("an error that an event throws is no fault of the root, and the next scan begins anew", () =>
  withRoots(async ({ make, look, log, discovery, states }) => {
    await make("sbs/a");
    const { push } = log;
    log.push = () => {
      throw new TypeError("a bug");
    };
    assert.throws(() => discovery.reconcile(), TypeError);
    log.push = push;
    assert.deepEqual(states, []);
    await make("sbs/b");
    assert.deepEqual(look(), ["+b go"], "the first one was taken in before the event");
  }));
