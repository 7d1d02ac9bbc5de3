// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { parseCriEndpoint } from "../../src/cri/endpoint.ts";
import { factory } from "../../src/receivers/kata/factory.ts";
import { type Simulator, startSimulator } from "../../src/simulator/simulator.ts";
import { freePort } from "../kit/free_port.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src/main.ts");
const UNIT = join(ROOT, "examples/systemd/kata-collector.service");
/** The unit that runs before the agent's. */
const ROOTS_UNIT = join(ROOT, "examples/systemd/kata-collector-roots.service");
const DAEMON_SET = join(ROOT, "examples/kubernetes/daemonset.yaml");
/** The uid of a user who owns nothing. */
const NOBODY = 65_534;
const SANDBOXES = 4;
/** The largest exposure that `systemd-analyze security` may find, in tenths: 0 is the safest, 100 the least safe. */
const EXPOSURE_MAX = 14;

/** The user that the agent runs as, and its capabilities. */
interface Rights {
  readonly uid: number;
  readonly capabilities: readonly string[];
}

/** A directory of the node as the agent sees it. */
interface Mount {
  readonly path: string;
  readonly readOnly: boolean;
}

/** The rights, directories and arguments that an installation gives the agent. */
interface Grant {
  readonly rights: Rights;
  readonly mounts: readonly Mount[];
  /** The command's arguments. */
  readonly args: readonly string[];
  readonly memoryBytes: number;
  readonly cpus: number;
}

interface Unit {
  /** Returns the words of all lines with this directive. */
  words(name: string): string[];
  /** The names of all directives. */
  readonly names: ReadonlySet<string>;
}

function readUnit(path = UNIT): Unit {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .map((line) => /^([A-Za-z]+)=(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name = "", value = ""]) => ({ name, value }));
  return {
    words: (name) =>
      lines.filter((line) => line.name === name).flatMap(({ value }) => value.split(/\s+/).filter(Boolean)),
    names: new Set(lines.map(({ name }) => name)),
  };
}

function grantOfUnit({ words }: Unit): Grant {
  const capabilities = words("CapabilityBoundingSet");
  assert.deepEqual(words("AmbientCapabilities"), capabilities, "what it may have, it has from the start");
  assert.ok(!["root", "0", undefined].includes(words("User")[0]), "the unit is another user's than root");
  return {
    rights: { uid: NOBODY, capabilities },
    mounts: words("BindReadOnlyPaths").map((word) => {
      const [path = ""] = word.replace(/^-/, "").split(":");
      return { path, readOnly: true };
    }),
    args: words("ExecStart").slice(1),
    memoryBytes: bytesOf(words("MemoryMax")[0]),
    cpus: Number.parseFloat(words("CPUQuota")[0] ?? "") / 100,
  };
}

interface PodSpec {
  readonly [key: string]: unknown;
  readonly securityContext: Record<string, unknown>;
  readonly volumes: readonly { name: string; hostPath?: { path: string } }[];
  readonly containers: readonly [
    {
      readonly args: readonly string[];
      readonly resources: { readonly limits: { readonly cpu: string; readonly memory: string } };
      readonly securityContext: Record<string, unknown> & {
        readonly runAsUser: number;
        readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
      };
      readonly volumeMounts: readonly { name: string; mountPath: string; readOnly?: boolean }[];
    },
  ];
}

function readPodSpec(): PodSpec {
  const documents = parseAllDocuments(readFileSync(DAEMON_SET, "utf8")).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as { kind: string; spec?: { template: { spec: PodSpec } } };
  });
  const spec = documents.find(({ kind }) => kind === "DaemonSet")?.spec?.template.spec;
  assert.ok(spec !== undefined);
  return spec;
}

function grantOfDaemonSet({ containers: [container], volumes }: PodSpec): Grant {
  const { securityContext, volumeMounts, resources, args } = container;
  assert.deepEqual(securityContext.capabilities.drop, ["ALL"]);
  return {
    rights: { uid: securityContext.runAsUser, capabilities: securityContext.capabilities.add ?? [] },
    mounts: volumeMounts.map(({ name, mountPath, readOnly = false }) => {
      const host = volumes.find((volume) => volume.name === name)?.hostPath?.path;
      if (host !== undefined) assert.equal(mountPath, host, "the agent names a directory as the node does");
      return { path: mountPath, readOnly };
    }),
    args,
    memoryBytes: bytesOf(resources.limits.memory),
    cpus: Number(resources.limits.cpu),
  };
}

/** Converts a size of systemd, whose M is Kubernetes' Mi. */
function bytesOf(text = ""): number {
  const match = /^([0-9]+)Mi?$/.exec(text);
  assert.ok(match !== null, `"${text}" is an amount of memory`);
  return Number(match[1]) * 1024 * 1024;
}

function lies(path: string, within: string): boolean {
  return path === within || path.startsWith(within === "/" ? "/" : `${within}/`);
}

/** Returns the arguments with which setpriv gives a program, and all that it starts, these rights only. */
function setprivArgs({ uid, capabilities }: Rights): string[] {
  const names = capabilities.map((name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`);
  const set = ["-all", ...names].join(",");
  return [
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    "--no-new-privs",
    `--inh-caps=${set}`,
    `--ambient-caps=${set}`,
    `--bounding-set=${set}`,
  ];
}

/** Returns whether this machine can take rights away, and a user without rights can read the checkout. */
function canRunWith(context: TestContext, rights: Rights): boolean {
  const canSet = spawnSync("setpriv", [...setprivArgs({ ...rights, uid: 0 }), "true"]).status === 0;
  if (!peerIsThere(context, "setpriv, for tests that run as root,", canSet)) return false;
  const reads = spawnSync("setpriv", [...setprivArgs(rights), process.execPath, "--check", MAIN]);
  return peerIsThere(context, "a checkout that every user can read", reads.status === 0);
}

interface RestrictedAgent {
  /** Waits for a log entry whose message begins with this text, and returns the first one. */
  entry(message: string): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<number | null>;
}

async function startRestricted(rights: Rights, config: unknown): Promise<RestrictedAgent> {
  const run = [process.execPath, MAIN, "run", "--config", `yaml:${JSON.stringify(config)}`];
  const child = spawn("setpriv", [...setprivArgs(rights), ...run], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  await poll("the agent to be ready", () => {
    assert.equal(child.exitCode, null, stderr);
    return stderr.includes("Everything is ready") || undefined;
  });
  return {
    entry: (message) =>
      poll(`"${message}" in the log`, () =>
        stderr
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as Record<string, unknown>)
          .find(({ msg }) => String(msg).startsWith(message)),
      ),
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

interface RestrictedNode {
  readonly simulator: Simulator;
  readonly agent: RestrictedAgent;
  /** Waits until every sandbox has a state, with its pod's name if `named`, and counts the sandboxes by state. */
  states(named: boolean): Promise<Record<string, number>>;
}

/** Runs the agent on a simulated node whose files have the modes of a real one's. */
async function onNode(rights: Rights, use: (node: RestrictedNode) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "n-"));
  await chmod(dir, 0o755);
  const simulator = await startSimulator({ dir, sandboxes: SANDBOXES, flavor: "mixed", bootDelayMs: 0 });
  try {
    await chmod(simulator.goRoot, 0o700);
    await chmod(join(dir, "cri.sock"), 0o660);
    const address = `127.0.0.1:${await freePort()}`;
    const roots = [
      { path: simulator.goRoot, runtime: "go" },
      { path: simulator.rsRoot, runtime: "rs" },
    ];
    const agent = await startRestricted(rights, {
      receivers: { kata: { roots, collection_interval: "1s", reconcile_interval: "1s" } },
      processors: { cri_metadata: { endpoint: simulator.criEndpoint } },
      exporters: { prometheus: { endpoint: address } },
      service: {
        telemetry: { metrics: { level: "none" }, logs: { encoding: "json" } },
        pipelines: {
          metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
        },
      },
    });
    const states = async (named: boolean): Promise<Record<string, number>> => {
      const page = await (await fetch(`http://${address}/metrics`)).text();
      const lines = page.split("\n").filter((line) => line.startsWith("kata_collector_sandbox_state{"));
      const wanted = lines.filter((line) => /cri_name="[^"]/.test(line) === named);
      return Object.fromEntries(
        Object.entries(Object.groupBy(wanted, (line) => /state="([a-z]+)"/.exec(line)?.[1] ?? "")).map(
          ([state, found = []]) => [state, found.length],
        ),
      );
    };
    try {
      await use({ simulator, agent, states });
    } finally {
      assert.equal(await agent.stop(), 0);
    }
  } finally {
    await simulator.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const INSTALLATIONS = {
  unit: () => grantOfUnit(readUnit()),
  DaemonSet: () => grantOfDaemonSet(readPodSpec()),
};

for (const [name, grantOf] of Object.entries(INSTALLATIONS)) {
  test(`with the rights that the ${name} grants, every sandbox is up under its pod's name`, async (t) => {
    const { rights } = grantOf();
    if (!canRunWith(t, rights)) return;
    await onNode(rights, async ({ states }) => {
      await poll("every sandbox to be up", async () => (await states(true))["up"] === SANDBOXES || undefined);
      assert.deepEqual(await states(true), { up: SANDBOXES });
    });
  });
}

test("an agent that may list sandboxes but not connect shows each as failing, and its log names a socket and EACCES", async (t) => {
  const rights = { uid: NOBODY, capabilities: ["CAP_DAC_READ_SEARCH"] };
  if (!canRunWith(t, rights)) return;
  await onNode(rights, async ({ simulator, agent, states }) => {
    await poll(
      "every sandbox to fail",
      async () => (await states(false))["failing"] === SANDBOXES || undefined,
    );
    assert.deepEqual(await states(true), {});
    const failing = await agent.entry("Sandbox is failing.");
    const [id, reason] = [String(failing["sandbox"]), String(failing["reason"])];
    assert.ok(simulator.sandboxes.has(id), `${id} is a sandbox`);
    assert.match(reason, /^connect EACCES \/.*\/shim-monitor\.sock; run the agent as uid 0/);
    const runtime = await agent.entry("Container runtime does not answer");
    assert.match(
      String(runtime["error"]),
      /cannot reach "unix:.*cri\.sock": connect EACCES \/.*cri\.sock; run the agent as uid 0 or with/,
    );
  });
});

test("an agent that may not list a root names that root in its log", async (t) => {
  const rights = { uid: NOBODY, capabilities: [] };
  if (!canRunWith(t, rights)) return;
  await onNode(rights, async ({ simulator, agent, states }) => {
    // Only the directories of runtime-rs can be read by every user.
    await poll(
      "the others to fail",
      async () => (await states(false))["failing"] === SANDBOXES / 2 || undefined,
    );
    assert.deepEqual(await states(false), { failing: SANDBOXES / 2 });
    const unread = await agent.entry("Root cannot be read");
    assert.equal(unread["root"], simulator.goRoot);
    assert.match(
      String(unread["error"]),
      /^cannot look at ".*\/sbs": EACCES: .*; run the agent as uid 0 or with /,
    );
  });
});

test("the unit and the DaemonSet run the same command with the same limits of memory and CPU", () => {
  const [unit, daemonSet] = [INSTALLATIONS.unit(), INSTALLATIONS.DaemonSet()];
  // Under systemd another unit tells the agent to look again; in a pod nothing can.
  assert.deepEqual(
    unit.args,
    daemonSet.args.filter((arg) => arg !== "--watch"),
  );
  assert.equal(unit.memoryBytes, daemonSet.memoryBytes);
  assert.equal(unit.cpus, daemonSet.cpus);
});

/** Returns the roots and the runtimes' sockets that the agent looks for by default. */
function wantedPaths(): { roots: string[]; sockets: string[] } {
  const { roots } = factory.schema.parse({});
  const parsed = parseCriEndpoint("auto");
  assert.ok("endpoints" in parsed);
  return {
    roots: roots.map(({ path }) => path),
    sockets: parsed.endpoints.map((endpoint) => endpoint.replace("unix://", "")),
  };
}

for (const [name, grantOf] of Object.entries(INSTALLATIONS)) {
  test(`the ${name} shows the agent the sandboxes and the runtime, read-only, and no secret of the node`, () => {
    const { mounts, args } = grantOf();
    assert.deepEqual(
      mounts.filter(({ readOnly }) => !readOnly),
      [],
    );
    const isSeen = (path: string): boolean => mounts.some((mount) => lies(path, mount.path));
    const { roots, sockets } = wantedPaths();
    // The directories of the VMs are next to the sandboxes' of the Go runtime, and are removed first.
    for (const path of [...roots, "/run/vc/vm"]) assert.ok(isSeen(path), `${path} is seen`);
    assert.ok(isSeen(sockets[0] ?? ""), "containerd's socket is seen");
    assert.ok(isSeen(args.join(" ").replace(/^.*--config=/, "")), "the config is seen");
    for (const path of [
      "/etc/shadow",
      "/root",
      "/run/systemd/private",
      "/run/dbus",
      "/var/lib/kubelet",
      "/dev",
    ])
      assert.ok(!isSeen(path), `${path} is not seen`);
    const runtime = mounts.map(({ path }) => path).filter((path) => lies(path, "/run") || lies(path, "/var"));
    const unused = runtime.filter((path) => ![...roots, ...sockets].some((wanted) => lies(wanted, path)));
    assert.deepEqual(unused, [], "mounts in which the agent looks for nothing");
  });
}

test("the unit lets the agent see its mounts only, and every runtime that the agent looks for", () => {
  const unit = readUnit();
  const { mounts } = grantOfUnit(unit);
  for (const socket of wantedPaths().sockets)
    assert.ok(
      mounts.some((mount) => lies(socket, mount.path)),
      `${socket} is seen`,
    );
  assert.deepEqual(unit.words("TemporaryFileSystem"), ["/:ro"]);
  assert.deepEqual(unit.words("NoNewPrivileges"), ["yes"]);
  // These directives mount the whole root again, read-only (systemd 252), or make parts of it writable.
  for (const name of ["ProtectSystem", "DynamicUser", "RootDirectory"])
    assert.ok(!unit.names.has(name), name);
  for (const name of unit.names) assert.doesNotMatch(name, /^(ReadWrite|Bind)Paths$|^\w+Directory$/);
});

test("the directories of /run that the unit mounts exist, since a unit that it requires makes them", () => {
  const unit = readUnit();
  const needed = unit
    .words("BindReadOnlyPaths")
    .map((word) => word.split(":")[0] ?? "")
    .filter((path) => lies(path, "/run"));
  const made = readUnit(ROOTS_UNIT)
    .words("ExecStart")
    .filter((word) => lies(word, "/run"));
  assert.deepEqual(needed, made);
  for (const name of ["Requires", "After"]) assert.ok(unit.words(name).includes(basename(ROOTS_UNIT)), name);
});

test("the DaemonSet's container gets nothing of the node but its mounts, and cannot gain more", () => {
  const spec = readPodSpec();
  const [container] = spec.containers;
  for (const key of ["hostNetwork", "hostPID", "hostIPC", "automountServiceAccountToken"])
    assert.equal(spec[key], false, key);
  // In another user namespace the agent would not be the root who owns the sockets.
  assert.notEqual(spec["hostUsers"], false);
  const { seccompProfile } = { ...spec.securityContext, ...container.securityContext } as {
    seccompProfile?: unknown;
  };
  assert.deepEqual(seccompProfile, { type: "RuntimeDefault" });
  const { privileged, allowPrivilegeEscalation, readOnlyRootFilesystem } = container.securityContext;
  assert.deepEqual(
    { privileged, allowPrivilegeEscalation, readOnlyRootFilesystem },
    { privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
  );
});

test("systemd knows every directive of the units, and finds the agent's no more exposed than it was", (t) => {
  if (!peerIsThere(t, "systemd-analyze", hasProgram("systemd-analyze"))) return;
  const verified = spawnSync("systemd-analyze", ["verify", UNIT, ROOTS_UNIT], { encoding: "utf8" });
  // The package is not installed on this machine.
  const faults = verified.stderr.split("\n").filter((line) => line !== "" && !/is not executable/.test(line));
  assert.deepEqual(faults, []);
  const args = ["security", "--offline=true", "--no-pager", `--threshold=${EXPOSURE_MAX}`, UNIT];
  const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  assert.equal(status, 0, stdout.trimEnd().split("\n").at(-1) + stderr);
});
