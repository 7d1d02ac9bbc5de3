// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { createTestAuthority } from "../kit/certificates.ts";
import { answering, startPushServer } from "../kit/destinations/push_server.ts";
import { freePort } from "../kit/free_port.ts";
import { startAgentWith } from "../kit/node/agent_process.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

test("--watch uses rotated certificates and tokens, and those of a changed configuration", async (context) => {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  for (const name of ["one", "two", "three"]) authority.issue(name, `DNS:${name}`);
  const read = (name: string): Buffer => readFileSync(authority.file(name));
  /** The clients that posted, by certificate subject and token; a new entry for each change. */
  const seen: string[] = [];
  const dir = await mkdtemp(join(tmpdir(), "rotation-"));
  context.after(() => rm(dir, { recursive: true, force: true }));
  const file = (name: string): string => join(dir, name);
  /** Replaces the old file by another one with a rename, as tools that rotate certificates do. */
  const give = (name: string, kind: "client" | "other"): void => {
    for (const suffix of ["crt", "key"]) {
      copyFileSync(authority.file(`${name}.${suffix}`), file("new"));
      renameSync(file("new"), file(`${kind}.${suffix}`));
    }
  };
  const server = await startPushServer(context, {
    tls: { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key"), requestCert: true },
    answers: [
      (request, response) => {
        const { subject } = (request.socket as TLSSocket).getPeerCertificate();
        const who = `${subject.CN} ${request.headers.authorization}`;
        if (seen.at(-1) !== who) seen.push(who);
        answering(200)(request, response);
      },
    ],
  });
  const simulator = await startSimulator({ dir, sandboxes: 1, flavor: "go", cri: false });
  context.after(() => simulator.close());
  const write = (kind: "client" | "other"): void => {
    const tls = {
      ca_file: authority.file("ca.crt"),
      cert_file: file(`${kind}.crt`),
      key_file: file(`${kind}.key`),
    };
    const config = {
      receivers: { kata: { roots: [simulator.goRoot], collection_interval: "100ms" } },
      exporters: {
        otlp_http: { endpoint: server.url, headers: { authorization: `\${file:${file("token")}}` }, tls },
      },
      service: {
        telemetry: { metrics: { level: "none" } },
        pipelines: { metrics: { receivers: ["kata"], exporters: ["otlp_http"] } },
      },
    };
    writeFileSync(file("config.yaml"), JSON.stringify(config));
  };
  const until = (who: string): Promise<true> => poll(who, () => seen.at(-1) === who || undefined);

  give("one", "client");
  writeFileSync(file("token"), "first\n");
  write("client");
  const agent = await startAgentWith(["run", "--watch", "--config", file("config.yaml")]);
  try {
    await until("one first");
    writeFileSync(file("token"), "second\n");
    await until("one second");
    give("two", "client");
    await until("two second");
    give("three", "other");
    write("other");
    await until("three second");
    give("one", "other");
    await until("one second");
  } finally {
    assert.equal((await agent.stop()).code, 0);
  }
});

test("while a key does not match its certificate, reloads fail and the exporter reports it, and data is still sent", async (context) => {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  const { file } = authority;
  authority.issue("server", "IP:127.0.0.1");
  for (const name of ["client", "next"]) authority.issue(name, `DNS:${name}.test`);
  const read = (name: string): Buffer => readFileSync(file(name));
  const server = await startPushServer(context, {
    tls: { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key"), requestCert: true },
  });
  const [health, metrics] = [await freePort(), await freePort()];
  const node = await startNode({
    simulator: { sandboxes: 1, cri: false },
    configure(config) {
      const tls = {
        ...{ ca_file: file("ca.crt"), cert_file: file("client.crt"), key_file: file("client.key") },
        reload_interval: "200ms",
      };
      config.exporters = { otlp_http: { endpoint: server.url, tls } };
      config.service.pipelines = {
        metrics: { receivers: ["kata"], processors: [], exporters: ["otlp_http"] },
      };
      const pull = { exporter: { prometheus: { host: "127.0.0.1", port: metrics } } };
      Object.assign(config.service, {
        extensions: ["health_check"],
        telemetry: { metrics: { readers: [{ pull }] }, logs: { encoding: "json" } },
      });
      Object.assign(config, {
        extensions: { health_check: { endpoint: `127.0.0.1:${health}`, reload: true } },
      });
    },
  });
  context.after(() => node.close());
  const reload = async (): Promise<{ ok: boolean; faults: string[] }> =>
    (await (await fetch(`http://127.0.0.1:${health}/-/reload`, { method: "POST" })).json()) as never;
  const statusHas = (text: string) => async (): Promise<true | undefined> => {
    const answer = await fetch(`http://127.0.0.1:${health}/status?verbose`);
    return (await answer.text()).includes(text) || undefined;
  };
  const ownMetrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();

  await poll("a delivery", () => server.requests.length > 0 || undefined);
  assert.deepEqual(await reload(), { ok: true, faults: [] });
  copyFileSync(file("next.key"), file("client.key"));
  const fault = `cannot use tls::key_file "${file("client.key")}": it is not the key of tls::cert_file "${file("client.crt")}"`;
  await poll("the fault in the status", statusHas(JSON.stringify(fault).slice(1, -1)));
  const { ok, faults } = await reload();
  assert.equal(ok, false);
  assert.ok(faults[0]?.startsWith(`exporter "otlp_http": ${fault}`), faults[0]);
  const before = server.requests.length;
  await poll("deliveries with the old certificate", () => server.requests.length > before + 1 || undefined);
  assert.ok(await statusHas("StatusRecoverableError")());
  const failed = await ownMetrics();
  assert.match(failed, /^kata_collector_config_last_reload_successful(\{[^}]*\})? 0$/m);
  assert.match(failed, /^kata_collector_config_reloads_total\{outcome="failure"[^}]*\} 1$/m);
  assert.match(node.agent.stderr(), /Configuration was reloaded, but not all files that it names/);

  copyFileSync(file("next.crt"), file("client.crt"));
  await poll(
    "the gauge",
    async () =>
      /^kata_collector_config_last_reload_successful(\{[^}]*\})? 1$/m.test(await ownMetrics()) || undefined,
  );
  assert.equal(await statusHas("StatusRecoverableError")(), undefined);
  const expiry = Math.floor(Date.parse(new X509Certificate(read("next.crt")).validTo) / 1_000);
  const line =
    (await ownMetrics()).split("\n").find((one) => one.includes(`file="${file("client.crt")}"`)) ?? "";
  assert.ok(line.startsWith("kata_collector_certificate_expiry_timestamp_seconds{"), line);
  assert.match(line, /component="exporter:otlp_http"/);
  assert.equal(Number(line.split(" ").at(-1)), expiry);
});
