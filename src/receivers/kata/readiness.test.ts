import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Runtime } from "./discovery.ts";
import type { ShimKind } from "./families.ts";
import { identityOf } from "./identity.ts";
import { checkReadiness, livesWith, type UnsafeHypervisor } from "./readiness.ts";

let dir = "";
let made = 0;
const server = createServer();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ready-"));
  // One real socket; the sandboxes get links to the same inode.
  server.listen(join(dir, "s"));
  await once(server, "listening");
});

after(async () => {
  server.close();
  await rm(dir, { recursive: true, force: true });
});

interface Row {
  readonly runtime?: Runtime;
  /** Beside the directory; a socket if left out. */
  readonly socket?: "socket" | "none" | "file" | "link" | "fifo" | "directory";
  /** Of state.json; none if left out. */
  readonly state?: string | ((path: string) => Promise<void>);
  readonly stateAgeMs?: number;
  readonly jailed?: boolean;
  readonly allowed?: readonly UnsafeHypervisor[];
  readonly answered?: ShimKind;
  /** Names beside the socket, or beside the root, that were there and are not any more. */
  readonly gone?: readonly string[];
}

async function check(row: Row, want: string): Promise<void> {
  const root = { path: join(dir, "root"), runtime: row.runtime ?? "rs" };
  const id = `s${made++}`;
  const directory = join(root.path, id);
  await mkdir(directory, { recursive: true });
  makeSocket(join(directory, "shim-monitor.sock"), row.socket ?? "socket");
  const statePath = join(directory, "state.json");
  const nowMs = Date.now();
  if (typeof row.state === "function") await row.state(statePath);
  else if (row.state !== undefined) await writeFile(statePath, row.state);
  if (row.stateAgeMs !== undefined) {
    const time = (nowMs - row.stateAgeMs) / 1_000;
    await utimes(statePath, time, time);
  }
  if (row.jailed === true) await mkdir(join(root.path, "firecracker", id), { recursive: true });
  const identity = identityOf(directory) ?? assert.fail();
  const readiness = checkReadiness(
    { id, root, directory, identity },
    {
      allowed: new Set(row.allowed),
      answered: row.answered,
      livedWith: new Set(row.gone?.map((name) => join(directory, name))),
      nowMs,
    },
  );
  const got =
    readiness.state === "ready" ? `ready ${readiness.shim}` : `${readiness.state}: ${readiness.reason}`;
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

test("a Go sandbox is ready when its socket is there, and nothing else will do", async () => {
  await check({ runtime: "go" }, "ready");
  await check({ runtime: "go", socket: "none" }, "pending: there is no socket yet");
  for (const socket of ["file", "link", "fifo", "directory"] as const)
    await check({ runtime: "go", socket }, "unsafe: shim-monitor.sock is no socket");
  await check({ runtime: "go", socket: "link", answered: "go" }, "unsafe");
});

test("a runtime-rs sandbox is ready when its hypervisor is known to survive", async () => {
  for (const hypervisor of ["dragonball", "clh", "cloud-hypervisor", "remote", "openvmm"])
    await check({ state: stateOf(hypervisor) }, "ready");
  await check({ state: stateOf("dragonball"), socket: "none" }, "pending: there is no socket yet");
  await check({}, "pending: state.json, which names the hypervisor, is not there yet");
});

test("QEMU, Firecracker and what nobody has heard of are asked only where the operator says so", async () => {
  const qemu = 'unsafe: runtime-rs with "qemu": a scrape ends its pod; unsafe_hypervisors can allow "qemu"';
  await check({ state: stateOf("qemu") }, qemu);
  await check({ state: stateOf("qemu"), allowed: ["firecracker", "unknown"] }, qemu);
  await check({ state: stateOf("qemu"), allowed: ["qemu"] }, "ready");
  await check({ state: stateOf("firecracker") }, 'unsafe: runtime-rs with "firecracker"');
  await check({ jailed: true }, 'unsafe: runtime-rs with "firecracker"');
  await check({ jailed: true, allowed: ["firecracker"] }, "ready");
  const newOne = 'unsafe: runtime-rs with "newvmm": not known to survive a scrape';
  await check({ state: stateOf("newvmm") }, newOne);
  await check({ state: stateOf("newvmm"), allowed: ["qemu"] }, newOne);
  await check({ state: stateOf("newvmm"), allowed: ["unknown"] }, "ready");
  await check({ state: stateOf("unknown") }, 'unsafe: runtime-rs with "unknown"');
});

test("runtime-rs under a root that is said to be of Go is known by its state", async () => {
  await check({ runtime: "go", state: stateOf("qemu") }, 'unsafe: runtime-rs with "qemu"');
  await check({ runtime: "go", state: stateOf("clh") }, "ready");
});

test("a state that names nothing is waited for while it may be half written, then unsafe", async () => {
  for (const state of [
    "",
    '{"hypervisor": {"hypervis',
    "null",
    "[]",
    stateOf(""),
    stateOf(7),
    stateOf(null),
  ]) {
    await check({ state, stateAgeMs: 1_000 }, "pending: state.json is being written");
    await check({ state, stateAgeMs: 60_000 }, "unsafe: state.json names no hypervisor");
  }
});

test("a state that is no file, or no usual one, is never waited on", async () => {
  const fifo = async (path: string): Promise<void> => makeSocket(path, "fifo");
  await check({ state: fifo }, "unsafe: state.json is no file");
  await check({ state: (path) => symlink("/etc/hostname", path) }, "unsafe: state.json is no file");
  await check({ state: (path) => mkdir(path).then(() => {}) }, "unsafe: state.json is no file");
  await check({ state: " ".repeat(1024 * 1024 + 1) }, "unsafe: state.json is too large");
});

test("what runs the guest is not asked again of a shim that has answered", () =>
  check({ state: stateOf("qemu"), answered: "rs" }, "ready"));

test("what is being removed is not asked, however well it answered", async () => {
  await check({ runtime: "go", answered: "go", gone: ["persist.json"] }, "ending: persist.json has gone");
  await check({ answered: "rs", gone: ["state.json"] }, "ending: state.json has gone");
  await check({ runtime: "go", gone: ["../../vm/x"] }, "ending: x has gone");
});

test("a sandbox lives with its own records and its VM's directory, from when they are there", async () => {
  const root = { path: join(dir, "life", "sbs"), runtime: "go" as const };
  const directory = join(root.path, "a");
  await mkdir(directory, { recursive: true });
  const found = { id: "a", root, directory, identity: identityOf(directory) ?? assert.fail() };
  assert.deepEqual(livesWith(found), []);
  await writeFile(join(directory, "persist.json"), "{}");
  await mkdir(join(dir, "life", "vm", "a"), { recursive: true });
  assert.deepEqual(livesWith(found), [join(directory, "persist.json"), join(dir, "life", "vm", "a")]);
});

test("a page is read as the shim writes it that the hypervisor belongs to", async () => {
  await check({ runtime: "go" }, "ready go");
  await check({ state: stateOf("dragonball") }, "ready rs-dragonball");
  await check({ state: stateOf("clh") }, "ready rs");
  await check({ runtime: "go", state: stateOf("dragonball") }, "ready rs-dragonball");
});
