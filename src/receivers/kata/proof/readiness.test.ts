// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { identityOf } from "../discovery/directory_identity.ts";
import type { Runtime } from "../discovery/root.ts";
import { ReadinessCheck } from "./readiness.ts";
import type { UnsafeHypervisor } from "./verdict.ts";

let dir = "";
let made = 0;
const server = createServer();
/** A server removes its path when it closes, even if another server has the path then; so all of them close at the end. */
const servers = [server];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ready-"));
  // One real socket; the sandboxes get links to the same inode.
  server.listen(join(dir, "s"));
  await once(server, "listening");
});

after(async () => {
  for (const one of servers) one.close();
  await rm(dir, { recursive: true, force: true });
});

interface Row {
  readonly runtime?: Runtime;
  /** The kind of file at the socket's path; a socket if left out. */
  readonly socket?: "socket" | "none" | "file" | "link" | "fifo" | "directory";
  /** The text of state.json; there is none if left out. */
  readonly state?: string | ((path: string) => Promise<void>);
  /** How long ago state.json was written when it is looked at. */
  readonly stateAgeMs?: number;
  /** Whether state.json was written before the socket was bound. */
  readonly isOlder?: boolean;
  readonly jailed?: boolean;
  readonly persist?: "file" | "directory" | "none";
  readonly allowed?: readonly UnsafeHypervisor[];
  /** Names next to the socket, or next to the root, that exist at the first look and not at the second. */
  readonly gone?: readonly string[];
}

async function check(row: Row, want: string): Promise<void> {
  const root = { path: join(dir, `root${made}`, "sbs"), runtime: row.runtime ?? "rs" };
  const id = `s${made++}`;
  const directory = join(root.path, id);
  await mkdir(directory, { recursive: true });
  makeSocket(join(directory, "shim-monitor.sock"), row.socket ?? "socket");
  const statePath = join(directory, "state.json");
  if (typeof row.state === "function") await row.state(statePath);
  else if (row.state !== undefined) await writeFile(statePath, row.state);
  if (row.isOlder === true) await utimes(statePath, 1, 1);
  if (row.jailed === true) await mkdir(join(root.path, "firecracker", id), { recursive: true });
  if (row.persist === "file") await writeFile(join(directory, "persist.json"), "{}");
  if (row.persist === "directory") await mkdir(join(directory, "persist.json"));
  const identity = identityOf(directory) ?? assert.fail();
  const readiness = new ReadinessCheck(
    { id, root, runtime: root.runtime, directory, identity },
    { allowed: row.allowed ?? [], nowMs: () => Date.now() + (row.stateAgeMs ?? 0) },
  );
  for (const name of row.gone ?? []) await mkdir(join(directory, name.replace("*", id)), { recursive: true });
  let found = readiness.look();
  for (const name of row.gone ?? []) {
    await rm(join(directory, name.replace("*", id)), { recursive: true });
    found = readiness.look();
  }
  const got =
    found.state === "ready" ? `ready ${found.shim}` : `${found.state} ${found.code}: ${found.reason}`;
  assert.ok(got.startsWith(want), `${JSON.stringify(row)}: ${got}, not ${want}`);
}

function makeSocket(path: string, kind: NonNullable<Row["socket"]>): void {
  const real = join(dir, "s");
  const commands = {
    socket: ["ln", real, path],
    link: ["ln", "-s", real, path],
    file: ["touch", path],
    fifo: ["mkfifo", path],
    directory: ["mkdir", path],
    none: ["true"],
  };
  const [command = "", ...args] = commands[kind];
  execFileSync(command, args);
}

function stateOf(hypervisor: unknown): string {
  return JSON.stringify({ hypervisor: { hypervisor_type: hypervisor } });
}

test("under a root of Go a sandbox is ready when it has a socket, and only then", async () => {
  await check({ runtime: "go" }, "ready go");
  await check({ runtime: "go", socket: "none" }, "pending no_socket: there is no socket yet");
  for (const socket of ["file", "link", "fifo", "directory"] as const)
    await check({ runtime: "go", socket }, "unsafe not_a_socket: shim-monitor.sock is no socket");
});

test("a runtime-rs sandbox is ready when its hypervisor is known to survive", async () => {
  for (const hypervisor of ["clh", "cloud-hypervisor", "remote", "openvmm"])
    await check({ state: stateOf(hypervisor) }, "ready rs");
  await check({ state: stateOf("dragonball") }, "ready rs-dragonball");
  await check({ state: stateOf("dragonball"), socket: "none" }, "pending no_socket");
  await check({}, "pending no_state: state.json, which names the hypervisor, is not there yet");
  await check({ persist: "file" }, "pending no_state");
});

test("QEMU, Firecracker and unknown hypervisors are asked only if the operator allows them", async () => {
  const qemu =
    'unsafe qemu: runtime-rs with "qemu": a scrape ends its pod; unsafe_hypervisors can allow "qemu"';
  await check({ state: stateOf("qemu") }, qemu);
  await check({ state: stateOf("qemu"), allowed: ["firecracker", "unknown"] }, qemu);
  await check({ state: stateOf("qemu"), allowed: ["qemu"] }, "ready rs");
  await check({ state: stateOf("firecracker") }, 'unsafe firecracker: runtime-rs with "firecracker"');
  const newOne = 'unsafe unknown_hypervisor: runtime-rs with "newvmm": not known to survive a scrape';
  await check({ state: stateOf("newvmm") }, newOne);
  await check({ state: stateOf("newvmm"), allowed: ["qemu"] }, newOne);
  await check({ state: stateOf("newvmm"), allowed: ["unknown"] }, "ready rs");
  await check({ state: stateOf("unknown") }, 'unsafe unknown_hypervisor: runtime-rs with "unknown"');
});

test("a jailed Firecracker is known by its place in the jailer's tree, whatever its root", async () => {
  for (const runtime of ["go", "rs", "unknown"] as const) {
    await check({ runtime, jailed: true }, 'unsafe firecracker: runtime-rs with "firecracker"');
    await check({ runtime, jailed: true, persist: "file" }, "unsafe firecracker");
    await check({ runtime, jailed: true, allowed: ["firecracker"] }, "ready rs");
    await check({ runtime, jailed: true, state: stateOf("clh") }, "ready rs");
    await check({ runtime, jailed: true, state: stateOf("clh"), isOlder: true }, "unsafe firecracker");
  }
});

test("a state.json proves runtime-rs, whatever the root is and whatever other files exist", async () => {
  for (const runtime of ["go", "unknown"] as const)
    for (const persist of ["file", "none"] as const) {
      await check({ runtime, persist, state: stateOf("qemu") }, "unsafe qemu");
      await check({ runtime, persist, state: stateOf("clh") }, "ready rs");
      await check({ runtime, persist, state: stateOf("dragonball") }, "ready rs-dragonball");
      await check({ runtime, persist, state: "", stateAgeMs: 1_000 }, "pending no_state");
      await check({ runtime, persist, state: "", stateAgeMs: 60_000 }, "unsafe bad_state");
    }
});

test("under a root of unknown runtime a sandbox has to prove itself", async () => {
  const unproved =
    "pending unproved: neither persist.json nor state.json says yet which runtime the sandbox is of";
  await check({ runtime: "unknown" }, unproved);
  await check({ runtime: "unknown", persist: "directory" }, unproved);
  await check({ runtime: "unknown", persist: "file" }, "ready go");
  await check({ runtime: "unknown", persist: "file", socket: "none" }, "pending no_socket");
});

test("a state.json that is older than the socket belongs to an earlier sandbox, and proves nothing", async () => {
  for (const hypervisor of ["clh", "qemu"]) {
    const old = { state: stateOf(hypervisor), isOlder: true };
    const older = "pending no_state: state.json is older than the socket";
    await check({ ...old, runtime: "rs" }, older);
    await check({ ...old, runtime: "unknown" }, older);
    await check({ ...old, runtime: "unknown", persist: "file" }, "ready go");
    // Without an old state.json a root of Go needs no proof; here it shows that runtime-rs was there.
    await check({ ...old, runtime: "go" }, older);
    await check({ ...old, runtime: "go", persist: "file" }, "ready go");
  }
});

test("a state.json that names no hypervisor is pending while it may be half written, and then unsafe", async () => {
  for (const state of [
    "",
    '{"hypervisor": {"hypervis',
    "null",
    "[]",
    stateOf(""),
    stateOf(7),
    stateOf(null),
  ]) {
    await check({ state, stateAgeMs: 1_000 }, "pending no_state: state.json is being written");
    await check({ state, stateAgeMs: 60_000 }, "unsafe bad_state: state.json names no hypervisor");
  }
});

test("a state.json that is no regular file never blocks the agent", async () => {
  const fifo = async (path: string): Promise<void> => makeSocket(path, "fifo");
  for (const runtime of ["go", "rs", "unknown"] as const) {
    await check({ runtime, state: fifo }, "unsafe bad_state: state.json is no file");
    await check(
      { runtime, state: (path) => symlink("/etc/hostname", path) },
      "unsafe bad_state: state.json is no file",
    );
    await check(
      { runtime, state: (path) => mkdir(path).then(() => {}) },
      "unsafe bad_state: state.json is no file",
    );
    await check(
      { runtime, state: " ".repeat(256 * 1024 + 1) },
      "unsafe bad_state: state.json has over 262144 bytes",
    );
    const doubled = '{"hypervisor":{"hypervisor_type":"qemu","hypervisor_type":"clh"}}';
    await check({ runtime, state: doubled }, "unsafe bad_state: state.json names its hypervisor twice");
  }
});

test("a sandbox that is being removed is not asked", async () => {
  await check({ runtime: "go", gone: ["persist.json"] }, "ending removal: persist.json has gone");
  await check({ runtime: "go", gone: ["../../vm/*"] }, "ending removal: s");
});

/** One sandbox with a socket, whose files are changed later. */
async function scene(runtime: Runtime, id = `s${made++}`) {
  const root = { path: await mkdtemp(join(dir, "scene-")), runtime };
  const directory = join(root.path, id);
  await mkdir(directory);
  const paths = { socket: join(directory, "shim-monitor.sock"), state: join(directory, "state.json") };
  const identity = identityOf(directory) ?? assert.fail();
  const readiness = new ReadinessCheck(
    { id, root, runtime, directory, identity },
    { allowed: [], nowMs: Date.now },
  );
  /** Replaces the socket with a new one. */
  const bind = async (): Promise<void> => {
    await rm(paths.socket, { force: true });
    const bound = createServer().listen(paths.socket);
    servers.push(bound);
    await once(bound, "listening");
  };
  await bind();
  return {
    directory,
    paths,
    readiness,
    bind,
    look(): string {
      const found = readiness.look();
      return found.state === "ready" ? `ready ${found.shim}` : `${found.state} ${found.code}`;
    },
  };
}

test("a file that is removed with a sandbox shows its removal, unless there is another socket", async () => {
  const { paths, look, bind } = await scene("rs");
  await writeFile(paths.state, stateOf("clh"));
  assert.equal(look(), "ready rs");
  await rm(paths.state);
  assert.equal(look(), "ending removal");
  await rm(paths.socket);
  assert.equal(look(), "ending removal");
  await bind();
  assert.equal(look(), "pending no_state");
});

test("a shim that removes the state.json of an earlier sandbox does not count as being removed", async () => {
  const { directory, paths, look } = await scene("unknown");
  await writeFile(paths.state, stateOf("clh"));
  await utimes(paths.state, 1, 1);
  await writeFile(join(directory, "persist.json"), "{}");
  assert.equal(look(), "ready go");
  await rm(paths.state);
  assert.equal(look(), "ready go");
});

test("a sandbox of the jailer's name is not in the jailer's tree", async () => {
  const { directory, look } = await scene("unknown", "firecracker");
  await mkdir(join(directory, "firecracker"));
  await writeFile(join(directory, "persist.json"), "{}");
  assert.equal(look(), "ready go");
});

test("if the jailer's tree cannot be looked into, no sandbox is asked", async () => {
  const { directory, look } = await scene("go");
  await symlink("firecracker", join(dirname(directory), "firecracker"));
  assert.equal(look(), "pending unreadable");
});

test("an unsafe verdict counts whenever it comes, and a state.json that changes is read again", async () => {
  const { paths, look } = await scene("rs");
  assert.equal(look(), "pending no_state");
  for (const [hypervisor, want] of [
    ["clh", "ready rs"],
    ["qemu", "unsafe qemu"],
    ["dragonball", "ready rs-dragonball"],
    ["", "pending no_state"],
  ] as const) {
    await writeFile(paths.state, stateOf(hypervisor));
    assert.equal(look(), want);
  }
});

test("another socket, or the same one with another ctime, has to prove itself anew", async () => {
  const { paths, look, bind, readiness } = await scene("rs");
  await writeFile(paths.state, stateOf("clh"));
  assert.equal(look(), "ready rs");
  assert.ok(readiness.isStillReady());
  await chmod(paths.socket, 0o700);
  assert.ok(!readiness.isStillReady());
  assert.equal(look(), "ready rs", "its mtime says when it was bound");
  await bind();
  assert.ok(!readiness.isStillReady());
  assert.equal(look(), "pending no_state");
});
