import assert from "node:assert/strict";
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { startAgentWith } from "./agent_process.ts";
import { createTestAuthority } from "./certificates.ts";
import { poll } from "./poll.ts";
import { answering, startPushServer } from "./push_server.ts";

test("--watch goes over to rotated certificates and tokens, and to those that a reload names", async (context) => {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  for (const name of ["one", "two", "three"]) authority.issue(name, `DNS:${name}`);
  const read = (name: string): Buffer => readFileSync(authority.file(name));
  /** Who posted: the certificate's subject and the token, once for each change. */
  const seen: string[] = [];
  const dir = await mkdtemp(join(tmpdir(), "rotation-"));
  context.after(() => rm(dir, { recursive: true, force: true }));
  const file = (name: string): string => join(dir, name);
  /** As who rotates does it: another file takes the old one's place. */
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
