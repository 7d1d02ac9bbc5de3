// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { testFolder } from "../kit/test_folder.ts";
import { catches, listenersOf, startBare, startBareAgent } from "./bare_process.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Makes a named pipe to which no process writes. */
function silentPipe(context: TestContext): string {
  const path = join(testFolder(context), "pipe");
  execFileSync("mkfifo", [path]);
  return path;
}

/** Waits until the process reads the pipe, or is about to. */
async function waitForOpen(pid: number, path: string): Promise<void> {
  const { ino } = statSync(path);
  await poll("the pipe to be open", () => {
    const fds = readdirSync(`/proc/${pid}/fd`);
    return fds.some((fd) => inodeOf(`/proc/${pid}/fd/${fd}`) === ino) || undefined;
  });
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** The exit codes after SIGTERM: a stopped agent has succeeded, a stopped check has no result. */
const CODES = { validate: 1, "print-config": 1, run: 0, monitor: 0 };

for (const [command, code] of Object.entries(CODES)) {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${command} ends at ${signal} while it waits for a pipe`, async (context) => {
      const pipe = silentPipe(context);
      const child = startBare([command, "--config", pipe]);
      context.after(() => child.kill("SIGKILL"));
      await waitForOpen(child.pid ?? 0, pipe);
      child.kill(signal);
      assert.deepEqual(await once(child, "exit"), [code, null]);
    });
  }
}

test("validate reads a pipe to its end", () => {
  const config = "config/kata-collector.yaml";
  const { status, stderr } = spawnSync(
    "bash",
    ["-c", `exec "$0" src/main.ts validate --config <(cat ${config})`, process.execPath],
    { cwd: ROOT, encoding: "utf8" },
  );
  assert.deepEqual([status, stderr], [0, ""]);
});

for (const umask of ["000", "077", "777"]) {
  test(`files and sockets have their modes under umask ${umask}`, async (context) => {
    const folder = testFolder(context);
    const at = (name: string): string => join(folder, name);
    const agent = await startBareAgent(context, {
      shell: `umask ${umask}; exec "$@"`,
      configure({ exporters, extensions, service }) {
        exporters["prometheus"] = { endpoint: `unix://${at("page.sock")}` };
        exporters["file"] = { path: at("out/metrics.json"), create_directory: true };
        exporters["file/open"] = { path: at("open.json"), file_permissions: "0644" };
        exporters["debug"] = { use_internal_logger: false, output_paths: [at("debug")] };
        exporters["otlp_grpc"] = { endpoint: "127.0.0.1:1", sending_queue: { storage: "file_storage" } };
        extensions["file_storage"] = { directory: at("storage"), create_directory: true };
        service.extensions.push("file_storage");
        service.pipelines.metrics["exporters"] = Object.keys(exporters);
      },
    });
    const mode = (name: string): string | undefined => {
      const found = statSync(at(name), { throwIfNoEntry: false });
      return found === undefined ? undefined : (found.mode & 0o7777).toString(8);
    };
    const want = {
      "page.sock": "660",
      out: "755",
      "out/metrics.json": "600",
      "open.json": "644",
      debug: "600",
      storage: "750",
      "storage/kata-collector.lock": "600",
      "storage/otlp_grpc": "700",
    };
    const modes = (): object => Object.fromEntries(Object.keys(want).map((name) => [name, mode(name)]));
    await poll("the modes", () => isDeepStrictEqual(modes(), want) || undefined).catch(() => {});
    assert.deepEqual(modes(), want);
    assert.deepEqual(await agent.stop(), [0, null]);
  });
}

test("without IPv6, :port and localhost are served over IPv4", async (context) => {
  const canUnshare = spawnSync("unshare", ["--net", "true"]).status === 0;
  if (!peerIsThere(context, "a network namespace of its own", canUnshare)) return;
  const child = startBare(["run", "--config", `yaml:${JSON.stringify(NO_IPV6)}`], {
    shell:
      'exec unshare --net sh -c "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; exec \\"\\$@\\"" sh "$@"',
  });
  context.after(() => child.kill("SIGKILL"));
  const pid = child.pid ?? 0;
  const listeners = await poll("all listeners", () => {
    assert.equal(child.exitCode, null);
    const found = listenersOf(pid);
    return found.length === 3 ? found : undefined;
  });
  const [any, ...loopback] = [...listeners].reverse();
  assert.match(any ?? "", /^tcp6? 0+:24/);
  for (const one of loopback) assert.match(one, /^tcp 0100007F:/);
  const answer = spawnSync("nsenter", ["--net", `--target=${pid}`, "curl", "-s", "http://127.0.0.1:9301/"]);
  assert.match(String(answer.stdout), /metrics/);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

const NO_IPV6 = {
  receivers: { kata: { roots: ["/nowhere/sbs"] } },
  exporters: { prometheus: { endpoint: ":9301" } },
  extensions: { health_check: { endpoint: "localhost:9302" } },
  service: {
    extensions: ["health_check"],
    telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { port: 9303 } } } }] } },
    pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus"] } },
  },
};

test("localhost is served at both loopback addresses", async (context) => {
  const canUnshare = spawnSync("unshare", ["--net", "true"]).status === 0;
  if (!peerIsThere(context, "a network namespace of its own", canUnshare)) return;
  const child = startBare(["run", "--config", `yaml:${JSON.stringify(NO_IPV6)}`], {
    shell: 'exec unshare --net sh -c "ip link set lo up; exec \\"\\$@\\"" sh "$@"',
  });
  context.after(() => child.kill("SIGKILL"));
  const listeners = await poll("all listeners", () => {
    assert.equal(child.exitCode, null);
    const found = listenersOf(child.pid ?? 0);
    return found.length === 5 ? found : undefined;
  });
  const loopback6 = "00000000000000000000000001000000";
  const port = (number: number): string => number.toString(16).toUpperCase();
  assert.deepEqual(listeners, [
    `tcp 0100007F:${port(9302)}`,
    `tcp 0100007F:${port(9303)}`,
    `tcp6 ${"0".repeat(32)}:${port(9301)}`,
    `tcp6 ${loopback6}:${port(9302)}`,
    `tcp6 ${loopback6}:${port(9303)}`,
  ]);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("an agent runs without a home, and in a working directory that was removed", async (context) => {
  const cwd = join(testFolder(context), "cwd");
  mkdirSync(cwd);
  const agent = await startBareAgent(context, {
    cwd,
    shell: 'unset HOME; rmdir "$PWD"; exec "$@"',
    configure({ exporters, service }) {
      exporters["otlp_http"] = { endpoint: "http://127.0.0.1:1" };
      service.pipelines.metrics["exporters"] = Object.keys(exporters);
    },
  });
  assert.throws(() => rmdirSync(cwd), { code: "ENOENT" });
  agent.child.kill("SIGHUP");
  await poll(
    "the reload",
    async () => (await agent.counter("kata_collector_config_reloads")) > 0 || undefined,
  );
  assert.equal(await agent.counter("kata_collector_config_reloads", 'outcome="success"'), 1);
  assert.deepEqual(await agent.stop(), [0, null]);
});

test("after its shutdown an agent has nothing open that keeps the process running", async (context) => {
  const path = join(testFolder(context), "ended");
  // Node emits the event when nothing is left to do, and not when the process is forced to exit.
  const code = `import { writeFileSync } from "node:fs";
    process.on("beforeExit", () => writeFileSync(${JSON.stringify(path)}, "by itself"));`;
  const agent = await startBareAgent(context, {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` },
  });
  assert.deepEqual(await agent.stop(), [0, null]);
  assert.equal(statSync(path, { throwIfNoEntry: false })?.isFile(), true);
});

/** Makes one of Node's threads hang in a system call, as on a file system that does not answer. */
function hanging(context: TestContext): { NODE_OPTIONS: string } {
  const code = `import { open } from "node:fs/promises"; open(${JSON.stringify(silentPipe(context))});`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

test("a second signal ends the agent at once, also where a system call hangs", async (context) => {
  const agent = await startBareAgent(context, { env: hanging(context) });
  agent.child.kill("SIGTERM");
  agent.child.kill("SIGTERM");
  const [code, signal] = await agent.ended;
  assert.ok(code === 0 || code === 1 || signal === "SIGTERM", `${code} ${signal}`);
});

test("an agent in which a system call hangs ends after its shutdown", async (context) => {
  const agent = await startBareAgent(context, { env: hanging(context) });
  assert.deepEqual(await agent.stop(), [null, "SIGTERM"]);
});

test("a command that has finished while a system call hangs ends at a signal", async (context) => {
  const child = startBare(["validate", "--config", "config/kata-collector.yaml"], {
    env: hanging(context),
    cwd: ROOT,
  });
  context.after(() => child.kill("SIGKILL"));
  for (const hears of [true, false]) {
    await poll(`SIGTERM to be ${hears ? "heard" : "left to the system"}`, () =>
      catches(child.pid ?? 0, 15) === hears ? true : undefined,
    );
  }
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [null, "SIGTERM"]);
});

test("connections beyond the limit of open files do not disturb other connections", async (context) => {
  let page = 0;
  const agent = await startBareAgent(context, {
    shell: 'ulimit -n 48; exec "$@"',
    configure({ exporters }) {
      page = Number(/\d+$/.exec((exporters["prometheus"] as { endpoint: string }).endpoint)?.[0]);
    },
  });
  const sockets = Array.from({ length: 60 }, () =>
    connect(page, "127.0.0.1")
      .on("error", () => {})
      .resume(),
  );
  await poll("some of them to be closed", () => sockets.some(({ closed }) => closed) || undefined);
  for (const socket of sockets) socket.destroy();
  await poll("an answer", async () => (await agent.isLive()) || undefined);
  assert.deepEqual(await agent.stop(), [0, null]);
});
