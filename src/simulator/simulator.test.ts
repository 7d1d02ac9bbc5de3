import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { poll } from "../../test/e2e/poll.ts";
import { shortSocketPath } from "../sockets/short_path.ts";
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

/** The page, as Node's own client takes it. */
async function scrape(path: string): Promise<string> {
  await using short = await shortSocketPath(path);
  return await new Promise((resolve, reject) => {
    const asked = request({ socketPath: short.path, path: "/metrics", agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

test("a Go sandbox has its directory first, and its socket when the guest has booted", () =>
  withSimulator({ bootDelayMs: 200 }, async (simulator) => {
    const up: string[] = [];
    simulator.events.on("up", ({ id }) => up.push(id));
    const { id, directory, socketPath } = await simulator.add({ flavor: "go" });
    assert.equal(directory, join(simulator.goRoot, id));
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.ok(!existsSync(socketPath));
    assert.equal(up.length, 0);
    await poll("the boot", () => up.includes(id) || undefined);
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.ok(existsSync(join(directory, "persist.json")));
  }));

test("a runtime-rs sandbox has its socket first, and says what runs its guest when that has booted", () =>
  withSimulator({ hypervisor: "clh", bootDelayMs: 200 }, async (simulator) => {
    const up: string[] = [];
    simulator.events.on("up", ({ id }) => up.push(id));
    const { id, directory, socketPath } = await simulator.add({ flavor: "rs" });
    assert.equal(directory, join(simulator.rsRoot, id));
    await poll("the socket", () => existsSync(socketPath) || undefined);
    const statePath = join(directory, "state.json");
    assert.ok(!existsSync(statePath));
    await poll("the state", () => existsSync(statePath) || undefined);
    await poll("all of it", () => up.includes(id) || undefined);
    const state = JSON.parse(await readFile(statePath, "utf8"));
    assert.equal(state.hypervisor.hypervisor_type, "clh");
    assert.equal(statSync(directory).mode & 0o777, 0o755);
  }));

test("a sandbox that has booted serves its page", () =>
  withSimulator({ sandboxes: 4 }, async (simulator) => {
    const flavors = [...simulator.sandboxes.values()].map(({ flavor }) => flavor);
    assert.deepEqual(flavors, ["go", "rs", "go", "rs"]);
    for (const sandbox of simulator.sandboxes.values()) {
      assert.equal(await scrape(sandbox.socketPath), sandbox.shim?.lastPage?.toString());
    }
  }));

test("as many sandboxes have faults as is asked for", () =>
  withSimulator({ sandboxes: 4, faults: { hang: 1, slow: 2 } }, async (simulator) => {
    const faults = [...simulator.sandboxes.values()].map(({ shim }) => shim?.fault);
    assert.deepEqual(faults.toSorted(), ["hang", "none", "slow", "slow"]);
  }));

test("a fault that is set while the guest boots holds when it has booted", () =>
  withSimulator({ bootDelayMs: 50 }, async (simulator) => {
    for (const flavor of ["go", "rs"] as const) {
      const sandbox = await simulator.add({ flavor });
      await sandbox.setFault("error500");
      await poll("the boot", () => sandbox.shim?.fault === "error500" || undefined);
    }
  }));

test("an ended sandbox leaves neither directory nor listener, also while it boots", () =>
  withSimulator({ bootDelayMs: 5 }, async (simulator) => {
    for (const flavor of ["go", "rs", "go", "rs"] as const) {
      const sandbox = await simulator.add({ flavor });
      await simulator.end(sandbox.id);
      assert.ok(!existsSync(sandbox.directory));
    }
    assert.equal(simulator.sandboxes.size, 0);
    assert.deepEqual(await readdir(simulator.goRoot), []);
    assert.deepEqual(await readdir(simulator.rsRoot), []);
  }));

test("sandboxes are replaced, and so many as before are there", () =>
  withSimulator({ sandboxes: 2, churnPerMinute: 1_200 }, async (simulator) => {
    const before = [...simulator.sandboxes.keys()];
    const counts: number[] = [];
    simulator.events.on("added", () => counts.push(simulator.sandboxes.size));
    await poll("other sandboxes", () => before.every((id) => !simulator.sandboxes.has(id)) || undefined);
    await poll("three replacements", () => counts.length >= 3 || undefined);
    assert.ok(counts.every((count) => count === 2));
  }));

test("the same seed makes the same node", async () => {
  const ids: string[][] = [];
  for (const seed of [5, 5, 6]) {
    await withSimulator({ sandboxes: 3, seed }, async ({ sandboxes }) => {
      ids.push([...sandboxes.keys()]);
    });
  }
  assert.deepEqual(ids[0], ids[1]);
  assert.notDeepEqual(ids[0], ids[2]);
});

test("the container runtime knows a sandbox from its start to its end", () =>
  withSimulator({ cri: true, sandboxes: 1 }, async (simulator) => {
    assert.match(simulator.criEndpoint ?? "", /^unix:\/\/.*cri\.sock$/);
    assert.ok(statSync((simulator.criEndpoint ?? "").slice("unix://".length)).isSocket());
  }));

test("what another simulator has left is not taken over", () =>
  withSimulator({ sandboxes: 1 }, async (simulator) => {
    const dir = join(simulator.rsRoot, "../..");
    const again = startSimulator({ dir, sandboxes: 1, flavor: "mixed", cri: false });
    await assert.rejects(again, /^Error: cannot add sandbox: directory ".*" exists; remove what/);
  }));
