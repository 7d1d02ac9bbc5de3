// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { parse } from "yaml";
import { runCli } from "../kit/node/cli_process.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { startContainerd } from "./containerd.ts";
import { startMonitoredNode } from "./monitor.ts";

/** How long kata-monitor's functional tests wait for a sandbox to appear and to disappear. */
const UPSTREAM_WAIT_MS = 20_000;

/** Returns the configuration that the flags make. */
async function configOf(...flags: string[]): Promise<object> {
  const { code, stdout, stderr } = await runCli(["monitor", ...flags, "--print-config"]);
  assert.deepEqual([code, stderr], [0, ""], flags.join(" "));
  return parse(stdout);
}

test("without flags the agent has the configuration of kata-monitor without flags", async () => {
  const config = (await configOf()) as {
    extensions: { kata_monitor_api: { endpoint: string } };
    exporters: { prometheus: { endpoint: string; tls?: unknown } };
    processors: { cri_metadata: { endpoint: string } };
    receivers: { kata: { roots: unknown } };
    service: { telemetry: { logs: { level: string } } };
  };
  assert.equal(config.extensions.kata_monitor_api.endpoint, "127.0.0.1:8090");
  assert.equal(config.exporters.prometheus.endpoint, "127.0.0.1:8090");
  assert.equal(config.exporters.prometheus.tls, undefined);
  assert.equal(config.processors.cri_metadata.endpoint, "/run/containerd/containerd.sock");
  assert.deepEqual(config.receivers.kata.roots, [
    { path: "/run/vc/sbs", runtime: "go" },
    { path: "/run/kata", runtime: "rs" },
  ]);
  assert.equal(config.service.telemetry.logs.level, "info");
});

test("flags are parsed as in Go, and --config and --set override them", async () => {
  const address = { extensions: { kata_monitor_api: { endpoint: "0.0.0.0:9" } } };
  for (const flags of [["-listen-address=0.0.0.0:9"], ["--listen-address", "0.0.0.0:9"]])
    assert.partialDeepStrictEqual(await configOf(...flags), address);
  const all = await configOf(
    "-runtime-endpoint",
    "unix:///run/crio/crio.sock",
    "-log-level=trace",
    "--tls-cert-file=/c",
    "--tls-key-file=/k",
    "-tls-min-version=VersionTLS13",
    "-tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256",
    "--config=yaml:receivers::kata::timeout: 20s",
    "--set",
    "receivers.kata.roots=[{path: /other/root, runtime: go}]",
  );
  assert.partialDeepStrictEqual(all, {
    processors: { cri_metadata: { endpoint: "unix:///run/crio/crio.sock" } },
    service: { telemetry: { logs: { level: "debug" } } },
    receivers: { kata: { timeout: "20s", roots: [{ path: "/other/root", runtime: "go" }] } },
    exporters: {
      prometheus: {
        tls: {
          cert_file: "/c",
          key_file: "/k",
          min_version: "1.3",
          cipher_suites: ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"],
        },
      },
    },
  });
});

test("flags that Go refuses give 2, values that cannot be used give 1, all of them at once", async () => {
  const unknown = await runCli(["monitor", "--listen", ":1"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /^flag provided but not defined: -listen\n[\s\S]*--listen-address string/);
  const help = await runCli(["monitor", "-h"]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  for (const version of ["version", "--version"])
    assert.match((await runCli(["monitor", version])).stdout, /^kata-collector version \d/);
  const bad = await runCli([
    "monitor",
    "--listen-address=nowhere",
    "--runtime-endpoint=wrong://x",
    "--log-level=loud",
    "--tls-cert-file=/c",
    "--tls-min-version=VersionTLS10",
    "--tls-cipher-suites=TLS_NONE",
  ]);
  assert.equal(bad.code, 1);
  assert.deepEqual(
    bad.stderr
      .trim()
      .split("\n")
      .map((line) => line.split(" ", 1)[0]),
    [
      "--listen-address",
      "--runtime-endpoint",
      "--tls-min-version",
      "--tls-cipher-suites",
      "--tls-cert-file",
      "--log-level",
    ],
  );
});

test("kata-monitor's functional test: a Kata pod is listed with its metrics until it is removed, and a runc pod never is", async (context) => {
  const containerd = await startContainerd();
  if (!peerIsThere(context, "containerd", containerd !== undefined) || containerd === undefined) return;
  const node = await startMonitoredNode({
    simulator: { sandboxes: 0, cri: false },
    runtimeEndpoint: containerd.endpoint,
  });
  const ids = async (): Promise<string[]> => (await node.get("/sandboxes")).text.split("\n").filter(Boolean);
  try {
    assert.equal((await node.get("/metrics")).status, 200);
    assert.deepEqual(await ids(), []);
    const runc = await containerd.runPod({
      name: "runc",
      namespace: "test",
      uid: "00000000-0000-4000-8000-000000000001",
    });
    const spec = { name: "kata", namespace: "test", uid: "00000000-0000-4000-8000-000000000002" };
    const kata = await containerd.runPod(spec);
    const rest = { labels: {}, annotations: {}, runtimeHandler: "kata", createdAtMs: 0 };
    await node.simulator.add({ flavor: "go", pod: { id: kata, ...spec, ...rest } });

    await poll(
      "the Kata sandbox in /sandboxes",
      async () => ((await ids()).includes(kata) ? true : undefined),
      UPSTREAM_WAIT_MS,
    );
    assert.ok(!(await ids()).includes(runc), "a runc pod is listed");
    await poll(
      "200 lines of the sandbox",
      async () => ((await node.get("/metrics")).text.split(kata).length > 200 ? true : undefined),
      UPSTREAM_WAIT_MS,
    );
    const { text } = await node.get("/metrics");
    assert.match(text, /^kata_monitor_running_shim_count [1-9][0-9]* *$/m);
    assert.match(text, /^kata_shim_[a-z_]+\{[^}]*sandbox_id="[0-9a-f-]+/m);
    assert.ok(!text.includes(runc));

    await node.simulator.end(kata);
    await poll(
      "the sandbox to leave /sandboxes",
      async () => ((await ids()).includes(kata) ? undefined : true),
      UPSTREAM_WAIT_MS,
    );
    assert.match((await node.get("/metrics")).text, /^kata_monitor_running_shim_count 0 *$/m);
    assert.ok(!(await ids()).includes(runc));
  } finally {
    await node.close();
    await containerd.close();
  }
});

test("with a certificate everything is served over TLS, with the version and the ciphers of the flags", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const folder = mkdtempSync(join(tmpdir(), "monitor-tls-"));
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const curve = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=node",
  ];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const node = await startMonitoredNode({
    flags: [
      `--tls-cert-file=${cert}`,
      `--tls-key-file=${key}`,
      "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ],
  });
  context.after(() => rmSync(folder, { recursive: true }));
  context.after(() => node.close());
  const port = Number(node.listenAddress.split(":")[1]);
  const first = async (options: ConnectionOptions): Promise<string> => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      text += error.code ?? "";
    });
    socket.end("GET /sandboxes HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    return text.split("\r\n", 1)[0] ?? "";
  };
  assert.equal(await first({ maxVersion: "TLSv1.2" }), "HTTP/1.1 200 OK");
  assert.equal(await first({ minVersion: "TLSv1.3" }), "HTTP/1.1 200 OK");
  const refused = await first({ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" });
  assert.match(refused, /^(EPROTO|ERR_SSL)/);
  await assert.rejects(node.get("/metrics"), "there is no answer without TLS");
});

test("kata-monitor's unit test of pages: names, the order of labels, HELP, TYPE and a summary are the same", async () => {
  const node = await startMonitoredNode({ simulator: { sandboxes: 1, flavor: "go" } });
  try {
    const [sandbox] = node.simulator.sandboxes.values();
    assert.ok(sandbox !== undefined);
    const { id, pod } = sandbox;
    const page = await poll("the sandbox on the page", async () => {
      const { text } = await node.get("/metrics");
      return text.includes(`sandbox_id="${id}"`) ? text : undefined;
    });
    const identity = `sandbox_id="${id}",cri_uid="${pod.uid}",cri_name="${pod.name}",cri_namespace="${pod.namespace}"`;
    const { text: raw } = await node.get(`/metrics?sandbox=${id}`);
    const headers = (text: string, name: string) =>
      text.match(new RegExp(`^# (HELP|TYPE) ${name} .*$`, "gm")) ?? [];
    const summary = page.split("\n").filter((line) => line.startsWith("kata_shim_go_gc_duration_seconds"));
    assert.deepEqual(
      summary.map((line) => line.slice(0, line.lastIndexOf(" "))),
      [
        ...["0", "0.25", "0.5", "0.75", "1"].map(
          (at) => `kata_shim_go_gc_duration_seconds{quantile="${at}",${identity}}`,
        ),
        `kata_shim_go_gc_duration_seconds_sum{${identity}}`,
        `kata_shim_go_gc_duration_seconds_count{${identity}}`,
      ],
    );
    for (const name of ["go_gc_duration_seconds", "process_open_fds"]) {
      const want = headers(raw, name).map((line) => line.replace(name, `kata_shim_${name}`));
      assert.equal(want.length, 2);
      assert.deepEqual(headers(page, `kata_shim_${name}`), want);
    }
    assert.deepEqual(headers(page, "kata_shim_fds"), headers(raw, "kata_shim_fds"));
    assert.ok(
      !/^(go|process)_/m.test(page),
      "a family of the shim's Go runtime looks like one of the agent's",
    );
    const unlabelled = page
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#") && !line.includes(identity));
    assert.deepEqual(
      unlabelled.filter((line) => !line.startsWith("kata_monitor_")),
      [],
    );
    assert.equal(page.match(/^kata_monitor_running_shim_count 1$/gm)?.length, 1);
    assert.equal((await node.get("/metrics?sandbox=unknown")).status, 500);
  } finally {
    await node.close();
  }
});
