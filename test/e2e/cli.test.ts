// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { registry } from "../../src/registry.ts";
import { freePort } from "../kit/free_port.ts";
import { startAgentProcess } from "../kit/node/agent_process.ts";
import { type CliProcess, runCli, SIMULATOR_MAIN, startCli } from "../kit/node/cli_process.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

const ROOT = join(import.meta.dirname, "../..");
const NOP = {
  receivers: { kata: { roots: ["/nowhere/run/vc/sbs"] } },
  exporters: { nop: null },
  service: {
    telemetry: { metrics: { level: "none" } },
    pipelines: { metrics: { receivers: ["kata"], exporters: ["nop"] } },
  },
};

test("--version and --help go to stdout and give 0", async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const said = await runCli(["--version"]);
  assert.deepEqual([said.code, said.stdout], [0, `kata-collector version ${version}\n`]);
  const help = await runCli(["--help"]);
  assert.equal(help.code, 0);
  const listed = [...help.stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name]) => name);
  assert.deepEqual(listed, ["run", "validate", "components", "print-config", "schema", "monitor"]);
});

test("an unknown command or flag is an error on stderr and gives 1", async () => {
  for (const args of [["walk"], ["run", "--confg", "x"], ["validate"]]) {
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 1, args.join(" "));
    assert.equal(stdout, "");
    assert.notEqual(stderr, "");
  }
});

test("the simulator's commands are in another program, and the agent says where", async () => {
  for (const name of ["simulate", "demo"]) {
    const { code, stderr } = await runCli([name, "--help"]);
    assert.deepEqual(
      [code, stderr],
      [1, `Error: no command "${name}" here; it is "npm run ${name}" in a checkout\n`],
    );
    const there = await startCli([name, "--help"], {}, SIMULATOR_MAIN).finished;
    assert.equal(there.code, 0);
    assert.match(there.stdout, new RegExp(`^Usage: npm run ${name} -- `, "m"));
  }
  const { code, stderr } = await startCli(["simulate"], {}, SIMULATOR_MAIN).finished;
  assert.deepEqual([code, stderr], [1, "Error: --dir is missing; see simulate --help\n"]);
});

test("every configuration in config and examples is valid", async () => {
  const env = {
    KATA_COLLECTOR_DEMO_DIR: "/demo",
    KATA_COLLECTOR_DEMO_CRI: "unix:///demo/cri.sock",
    KATA_COLLECTOR_DEMO_OTLP: "127.0.0.1:4317",
  };
  const paths = globSync("{config,examples}/*.yaml", { cwd: ROOT });
  assert.ok(paths.length >= 4);
  for (const path of paths) {
    const { code, stdout, stderr } = await runCli(["validate", "--config", join(ROOT, path)], env);
    assert.deepEqual([code, stdout, stderr], [0, "", ""], path);
  }
});

test("a bad config is refused by run and validate alike, with every fault", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cli-"));
  try {
    const path = join(folder, "bad.yaml");
    await writeFile(
      path,
      "receivers:\n  kata:\n    timeout: 0s\nexporters:\n  nope:\nservice:\n  pipelines:\n    metrics: {receivers: [kata], exporters: [nop]}\n",
    );
    for (const command of ["run", "validate"]) {
      const { code, stderr } = await runCli([command, "--config", path]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /bad\.yaml:3:14: receivers::kata::timeout: must be at least 1s, got "0s"\n {4} {4}timeout: 0s\n {17}\^/,
      );
      assert.match(stderr, /bad\.yaml:5:3: exporters::nope: unknown type: "nope"/);
      assert.match(stderr, /references exporter "nop" which is not configured/);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("print-config shows the merged config without its secrets", async () => {
  const otlp = { endpoint: "gw:4317", headers: { authorization: "Bearer hunter2" } };
  const config = {
    ...NOP,
    exporters: { otlp_grpc: otlp },
    service: { pipelines: { metrics: { receivers: ["kata"], exporters: ["otlp_grpc"] } } },
  };
  const args = [
    "print-config",
    "--config",
    `yaml:${JSON.stringify(config)}`,
    "--set",
    "receivers.kata.timeout=20s",
  ];
  const redacted = await runCli(args);
  assert.equal(redacted.code, 0, redacted.stderr);
  const shown = parse(redacted.stdout);
  assert.equal(shown.receivers.kata.timeout, "20s");
  assert.equal(shown.exporters.otlp_grpc.headers.authorization, "[REDACTED]");
  assert.equal(shown.exporters.otlp_grpc.endpoint, "gw:4317");
  const unredacted = await runCli([...args, "--mode", "unredacted", "--format", "json"]);
  assert.equal(JSON.parse(unredacted.stdout).exporters.otlp_grpc.headers.authorization, "Bearer hunter2");
});

test("components and schema describe every component of the build", async () => {
  const listed = parse((await runCli(["components"])).stdout);
  const names = (list: { name: string }[]) => list.map(({ name }) => name).sort();
  for (const section of ["receivers", "processors", "exporters", "extensions"] as const)
    assert.deepEqual(names(listed[section]), Object.keys(registry[section]).sort());
  const schema = JSON.parse((await runCli(["schema"])).stdout);
  const patterns = Object.keys(schema.properties.exporters.patternProperties);
  assert.ok(patterns.includes("^(otlp_grpc|otlp)(/.+)?$"));
  const [kata] = schema.properties.receivers.patternProperties["^(kata)(/.+)?$"].anyOf;
  assert.equal(kata.properties.collection_interval.default, "15s");
  assert.equal(kata.additionalProperties, false);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} drains and ends with 0`, async () => {
    const agent = await startAgentProcess(NOP);
    agent.kill(signal);
    const { code, stderr } = await agent.finished;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Shutdown complete/);
  });
}

test("a second signal ends the agent at once, whatever hangs", async () => {
  const node = await startNode({ simulator: { sandboxes: 1, flavor: "go", faults: { hang: 1 } } });
  try {
    // A puller that never reads prevents the page's server from closing.
    const stuck = await fetch(`http://${node.listenAddress}/metrics`);
    node.agent.kill("SIGTERM");
    await poll("the shutdown to begin", () => node.agent.stderr().includes("Starting shutdown") || undefined);
    node.agent.kill("SIGTERM");
    const { code } = await node.agent.finished;
    assert.ok(code === 0 || code === 1, "either the drain was done, or it was cut short");
    await stuck.body?.cancel().catch(() => {});
  } finally {
    await node.close();
  }
});

test("a port that is already in use is named in the error, and gives 1", async () => {
  const port = await freePort();
  const exporters = { prometheus: { endpoint: `127.0.0.1:${port}` } };
  const service = {
    ...NOP.service,
    pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus"] } },
  };
  const config = { ...NOP, exporters, service };
  const first = await startAgentProcess(config);
  try {
    const { code, stderr } = await runCli(["run", "--config", `yaml:${JSON.stringify(config)}`]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`cannot start exporter .*prometheus.*127\\.0\\.0\\.1:${port}`));
  } finally {
    await first.stop();
  }
});

async function startDemo(duration: string): Promise<{ demo: CliProcess; address: string }> {
  const address = `127.0.0.1:${await freePort()}`;
  const args = ["demo", "--duration", duration, "--listen-address", address];
  const env = { KATA_COLLECTOR_DEMO_TELEMETRY_PORT: String(await freePort()) };
  const demo = startCli(args, env, SIMULATOR_MAIN);
  return { demo, address };
}

test("the demo ends by itself", async () => {
  const { demo } = await startDemo("1s");
  const { code, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
});

test("the demo serves its page, pushes, and ends at a signal", async () => {
  const { demo, address } = await startDemo("60s");
  // There are sandboxes of both runtimes with their pods' names. The sockets of Go shims appear a second late.
  for (const line of [
    /^kata_guest_load\{.*cri_name="[a-z].*\} /m,
    /^kata_shim_go_goroutines\{.*cri_name="[a-z]/m,
  ]) {
    await poll("the page", async () => {
      const response = await fetch(`http://${address}/metrics`).catch(() => undefined);
      return line.test((await response?.text()) ?? "") ? true : undefined;
    });
  }
  await poll("OTLP", () => /OTLP so far: [1-9][0-9]* requests/.test(demo.stdout()) || undefined);
  demo.kill("SIGINT");
  const { code, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
});
