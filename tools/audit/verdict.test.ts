// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createGunzip } from "node:zlib";
import { type AuditVerdict, audit } from "./verdict.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** npm's own verdict about a registry that gives the answer to the question about advisories, and what it asked. */
async function auditAgainst(answer: Answer): Promise<{ verdict: AuditVerdict; asked: readonly string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "audit-"));
  const manifest = {
    name: "x",
    version: "1.0.0",
    dependencies: { bad: "1.0.0" },
    devDependencies: { dev: "1.0.0" },
  };
  const locked = {
    "node_modules/bad": { version: "1.0.0" },
    "node_modules/dev": { version: "1.0.0", dev: true },
  };
  const lock = { ...manifest, lockfileVersion: 3, requires: true, packages: { "": manifest, ...locked } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock));
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    if (request.url === "/-/npm/v1/security/advisories/bulk") {
      asked.push(await text(request.pipe(createGunzip())));
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    } else if (request.url === "/bad") {
      const versions = ["1.0.0", "2.0.0"].map((version) => [version, { name: "bad", version }]);
      const tags = { latest: "2.0.0" };
      response.end(
        JSON.stringify({ name: "bad", versions: Object.fromEntries(versions), "dist-tags": tags }),
      );
    } else response.writeHead(404).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const registry = [
      `--registry=http://127.0.0.1:${port}/`,
      `--cache=${join(folder, "cache")}`,
      "--fetch-retries=0",
    ];
    return { verdict: await audit(folder, registry), asked };
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const ADVISORY = {
  id: 1,
  title: "it runs what it is given",
  url: "https://example.com/advisories/1",
  severity: "high",
  vulnerable_versions: "<2.0.0",
};

test("a registry without an advisory gives a clean verdict, and is asked about production packages only", async () => {
  const { verdict, asked } = await auditAgainst({ status: 200, body: "{}" });
  assert.deepEqual(verdict, { kind: "clean" });
  assert.deepEqual(
    asked.map((body) => JSON.parse(body)),
    [{ bad: ["1.0.0"] }],
  );
});

test("an advisory is a vulnerability, with its title and where it is described", async () => {
  const { verdict } = await auditAgainst({ status: 200, body: JSON.stringify({ bad: [ADVISORY] }) });
  assert.deepEqual(verdict, {
    kind: "vulnerable",
    lines: ["bad 1.0.0: high: it runs what it is given (https://example.com/advisories/1)"],
  });
});

for (const answer of [
  { status: 404, body: "{}" },
  { status: 500, body: "broken" },
  { status: 200, body: "<html>a proxy's page</html>" },
])
  test(`an answer of ${answer.status} with ${answer.body} is no answer, and no verdict about packages`, async () => {
    const { verdict } = await auditAgainst(answer);
    assert.equal(verdict.kind, "no_answer", JSON.stringify(verdict));
  });

test("where nobody listens there is no answer", async () => {
  const folder = mkdtempSync(join(tmpdir(), "audit-"));
  try {
    const verdict = await audit(folder, ["--registry=http://127.0.0.1:1/", "--fetch-retries=0"]);
    assert.equal(verdict.kind, "no_answer");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
