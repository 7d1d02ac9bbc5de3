// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { poll } from "../../test/kit/poll.ts";
import { ListPodSandboxResponseSchema } from "../cri/generated/runtime_pb.ts";
import { shortSocketPath } from "../sockets/short_path.ts";
import type { SandboxFault } from "./sandbox_faults.ts";
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

/** The ids of the pods that the container runtime lists. */
async function listed({ criEndpoint = "" }: Simulator): Promise<string[]> {
  const client = new Client(criEndpoint, credentials.createInsecure());
  try {
    const bytes = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      client.makeUnaryRequest(
        "/runtime.v1.RuntimeService/ListPodSandbox",
        () => Buffer.alloc(0),
        (answer: Buffer) => answer,
        undefined,
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
    return fromBinary(ListPodSandboxResponseSchema, bytes ?? Buffer.alloc(0)).items.map(({ id }) => id);
  } finally {
    client.close();
  }
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

test("in a directory that is left behind, and in that of a dead sandbox, nobody listens", () =>
  withSimulator(
    { cri: true, faults: { left_directory: 1, dead_persist: 1 }, sandboxes: 2 },
    async (simulator) => {
      const [persist, left] = [...simulator.sandboxes.values()];
      assert.ok(persist !== undefined && left !== undefined);
      assert.deepEqual(await readdir(left.directory), []);
      assert.deepEqual(await readdir(persist.directory), ["persist.json"]);
      assert.equal(persist.flavor, "go");
      assert.ok(
        statSync(join(persist.directory, "persist.json")).mtimeMs < persist.pod.createdAtMs - 3_000_000,
      );
      assert.deepEqual(await listed(simulator), []);
    },
  ));

test("a state.json of an earlier life is older than the socket, and a scrape would end its sandbox", () =>
  withSimulator(
    { cri: true, faults: { old_state: 1 }, sandboxes: 1, hypervisor: "qemu" },
    async (simulator) => {
      const [{ directory, socketPath, shim, flavor } = assert.fail()] = simulator.sandboxes.values();
      assert.equal(flavor, "rs");
      const [state, socket] = [statSync(join(directory, "state.json")), statSync(socketPath)];
      assert.ok(state.mtimeMs < socket.mtimeMs && state.ctimeMs < socket.ctimeMs);
      const { hypervisor } = JSON.parse(await readFile(join(directory, "state.json"), "utf8"));
      assert.equal(hypervisor.hypervisor_type, "dragonball", "it looks as if it were safe");
      assert.equal(shim?.fault, "abort");
      assert.deepEqual(await listed(simulator), []);
    },
  ));

test("a pod without a directory is known to the runtime alone", () =>
  withSimulator({ cri: true, faults: { no_directory: 1 }, sandboxes: 1 }, async (simulator) => {
    const [sandbox = assert.fail()] = simulator.sandboxes.values();
    assert.ok(!existsSync(sandbox.directory));
    assert.deepEqual(await listed(simulator), [sandbox.id]);
    await simulator.end(sandbox.id);
    assert.deepEqual(await listed(simulator), []);
  }));

test("a leaked VM loses its pod and still answers", () =>
  withSimulator({ cri: true, faults: { leaked_vm: 1 }, sandboxes: 2, leakDelayMs: 20 }, async (simulator) => {
    const [leaked, other] = [...simulator.sandboxes.values()];
    assert.ok(leaked !== undefined && other !== undefined);
    await poll("the pod's end", async () => ((await listed(simulator)).length === 1 ? true : undefined));
    assert.deepEqual(await listed(simulator), [other.id]);
    assert.match(await scrape(leaked.socketPath), /kata_guest_load/);
  }));

test("a leaked VM that ends before its pod does leaves nothing", () =>
  withSimulator({ cri: true, faults: { leaked_vm: 1 }, sandboxes: 1 }, async (simulator) => {
    const errors: unknown[] = [];
    simulator.events.on("error", (error) => errors.push(error));
    for (const id of simulator.sandboxes.keys()) await simulator.end(id);
    assert.deepEqual([await listed(simulator), errors], [[], []]);
  }));

test("a fault of one runtime is not made for the other", async () => {
  const check = (flavor: "go" | "rs", fault: SandboxFault): Promise<void> =>
    withSimulator({ flavor }, (simulator) =>
      assert.rejects(
        simulator.add({ fault }),
        new RegExp(`cannot add sandbox with fault "${fault}": only .*; choose mixed`),
      ),
    );
  await check("go", "old_state");
  await check("rs", "dead_persist");
});

test("a directory in which the runtime's socket cannot be reached is refused", async () => {
  const dir = await mkdtemp(join(tmpdir(), "long-"));
  const options = { dir: join(dir, "x".repeat(100)), sandboxes: 0, flavor: "mixed" } as const;
  try {
    await assert.rejects(
      startSimulator(options),
      /cannot serve CRI on .*at most 107 bytes; choose a shorter/,
    );
    await (await startSimulator({ ...options, cri: false })).close();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("a relative directory is taken from where the program runs", async () => {
  const dir = await mkdtemp(join(tmpdir(), "relative-"));
  const simulator = await startSimulator({ dir: relative("", dir), sandboxes: 1, flavor: "go" });
  try {
    assert.equal(simulator.goRoot, join(dir, "run/vc/sbs"));
    assert.equal(simulator.criEndpoint, `unix://${join(dir, "cri.sock")}`);
  } finally {
    await simulator.close();
    await rm(dir, { recursive: true, force: true });
  }
});

test("a fault that is set while the guest boots holds when it has booted", () =>
  withSimulator({ bootDelayMs: 50 }, async (simulator) => {
    for (const flavor of ["go", "rs"] as const) {
      const sandbox = await simulator.add({ flavor });
      await sandbox.setFault("error500");
      await poll("the boot", () => sandbox.shim?.fault === "error500" || undefined);
    }
  }));

test("an ended sandbox leaves neither directory nor listener nor pod, also while it boots", () =>
  withSimulator({ bootDelayMs: 5, cri: true }, async (simulator) => {
    for (const flavor of ["go", "rs", "go", "rs"] as const) {
      const sandbox = await simulator.add({ flavor });
      await simulator.end(sandbox.id);
      assert.ok(!existsSync(sandbox.directory));
    }
    assert.deepEqual(await listed(simulator), []);
    assert.equal(simulator.sandboxes.size, 0);
    assert.deepEqual(await readdir(simulator.goRoot), []);
    assert.deepEqual(await readdir(simulator.rsRoot), []);
  }));

test("sandboxes are replaced by as many others with the same faults", () =>
  withSimulator({ sandboxes: 2, churnPerMinute: 1_200, faults: { no_agent: 1 } }, async (simulator) => {
    const before = [...simulator.sandboxes.keys()];
    // Between its end and the next one's start there is one less, so it is looked at when one has come.
    const faults: string[] = [];
    simulator.events.on("added", () =>
      faults.push(
        Array.from(simulator.sandboxes.values(), ({ fault }) => fault)
          .toSorted()
          .join(" "),
      ),
    );
    await poll("other sandboxes", () => before.every((id) => !simulator.sandboxes.has(id)) || undefined);
    await poll("three replacements", () => faults.length >= 3 || undefined);
    assert.deepEqual(new Set(faults), new Set(["no_agent none"]));
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

test("a directory that another simulator has left is not used", () =>
  withSimulator({ sandboxes: 1 }, async (simulator) => {
    const dir = join(simulator.rsRoot, "../..");
    const again = startSimulator({ dir, sandboxes: 1, flavor: "mixed", cri: false });
    await assert.rejects(again, /^Error: cannot add sandbox: directory ".*" exists; remove what/);
  }));
