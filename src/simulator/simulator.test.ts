import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { poll } from "../../test/e2e/poll.ts";
import { shortSocketPath } from "../sockets/short_path.ts";
import type { Fault } from "./shim.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./simulator.ts";

async function withSimulator(
  options: Partial<SimulatorOptions>,
  play: (simulator: Simulator) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "simulator-"));
  const simulator = await startSimulator({ dir, sandboxes: 0, flavor: "mixed", cri: false, ...options });
  try {
    await play(simulator);
  } finally {
    await simulator.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** What a raw client gets until the connection closes, or the error. */
async function ask(socketPath: string, request = "GET /metrics HTTP/1.1\r\n\r\n"): Promise<string> {
  await using short = await shortSocketPath(socketPath);
  const socket = connect(short.path);
  let text = "";
  socket.on("data", (bytes) => {
    text += String(bytes);
  });
  socket.write(request);
  try {
    await once(socket, "close");
    return text;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  } finally {
    socket.destroy();
  }
}

test("a Go sandbox has its directory first, and its socket when the guest has booted", () =>
  withSimulator({ bootDelayMs: 300 }, async (simulator) => {
    const { directory, socketPath } = await simulator.add({ flavor: "go" });
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.ok(!existsSync(socketPath));
    await poll("the socket", () => existsSync(socketPath) || undefined);
    assert.ok(statSync(socketPath).isSocket());
    await poll("its mode", () => (statSync(socketPath).mode & 0o777) === 0o600 || undefined);
  }));

test("a runtime-rs sandbox says what runs its guest", () =>
  withSimulator({ hypervisor: "qemu" }, async (simulator) => {
    const { directory, socketPath } = await simulator.add({ flavor: "rs" });
    assert.equal(statSync(socketPath).mode & 0o777, 0o755);
    const state = JSON.parse(await readFile(join(directory, "state.json"), "utf8"));
    assert.equal(state.hypervisor.hypervisor_type, "qemu");
  }));

test("an ended sandbox leaves neither directory nor listener", () =>
  withSimulator({}, async (simulator) => {
    const sandbox = await simulator.add();
    await simulator.end(sandbox.id);
    assert.ok(!existsSync(sandbox.directory));
    assert.equal(simulator.sandboxes.size, 0);
    assert.deepEqual(await readdir(simulator.goRoot), []);
  }));

test("the Go shim chunks whatever the method, runtime-rs gives a length and knows only GET", () =>
  withSimulator({}, async (simulator) => {
    const go = await simulator.add({ flavor: "go" });
    const rs = await simulator.add({ flavor: "rs" });
    assert.match(
      await ask(go.socketPath, "POST /metrics HTTP/1.1\r\n\r\n"),
      /^HTTP\/1\.1 200 OK\r\n.*Transfer-Encoding: chunked/s,
    );
    assert.match(await ask(rs.socketPath), /^HTTP\/1\.1 200 OK\r\ncontent-length: [0-9]+/);
    assert.match(
      await ask(rs.socketPath, "POST /metrics HTTP/1.1\r\n\r\n"),
      /^HTTP\/1\.1 404 .*URL NOT FOUND$/s,
    );
    assert.match(await ask(go.socketPath, "GET /agent-url HTTP/1.1\r\n\r\n"), /vsock:\/\//);
  }));

const SEEN: Readonly<Partial<Record<Fault, RegExp>>> = {
  refuse: /^ECONNREFUSED$/,
  close: /^$/,
  cut: /^HTTP\/1\.1 200 OK.*(?<!0\r\n\r\n)$/s,
  error500: /^HTTP\/1\.1 500 /,
  notfound: /^HTTP\/1\.1 404 /,
  hostile: /sandbox_id="0000"/,
  churning: /kata_guest_new_1_0 0\n/,
};

test("faults are as a client sees them", () =>
  withSimulator({}, async (simulator) => {
    for (const [fault, seen] of Object.entries(SEEN)) {
      const { socketPath } = await simulator.add({ flavor: "go", fault: fault as Fault });
      assert.match(await ask(socketPath), seen, fault);
    }
    const partial = await simulator.add({ flavor: "go", fault: "no_agent" });
    assert.doesNotMatch(await ask(partial.socketPath), /kata_guest_/);
  }));

test("a shim recovers from a fault", () =>
  withSimulator({}, async (simulator) => {
    const sandbox = await simulator.add({ flavor: "go", fault: "error500" });
    await sandbox.setFault("none");
    assert.match(await ask(sandbox.socketPath), /kata_guest_load/);
    assert.equal(sandbox.shim?.scrapes, 1);
  }));

test("sandboxes are replaced at the rate that is asked for", () =>
  withSimulator({ sandboxes: 2, churnPerMinute: 600 }, async (simulator) => {
    const before = [...simulator.sandboxes.keys()];
    await poll("other sandboxes", () => before.every((id) => !simulator.sandboxes.has(id)) || undefined);
    await poll("as many as before", () => simulator.sandboxes.size === 2 || undefined);
  }));
