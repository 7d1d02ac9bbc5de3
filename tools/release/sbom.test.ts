// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseSbom } from "./sbom.ts";

const HASH = Buffer.alloc(64, 7);
const PACKAGE = {
  path: "node_modules/a",
  name: "a",
  version: "1.0.0",
  license: "MIT",
  integrity: `sha512-${HASH.toString("base64")}`,
  hasInstallScript: false,
};
const DATE = new Date("2026-01-02T03:04:05Z");

function component(name: string, version: string, hash = HASH): object {
  const hashes = [{ alg: "SHA-512", content: hash.toString("hex") }];
  return {
    "bom-ref": `${name}@${version}`,
    type: "library",
    name,
    version,
    purl: `pkg:npm/${name}@${version}`,
    hashes,
  };
}

function bom(components: readonly object[], changes: object = {}): string {
  const subject = { ...component("kata-collector", "0.1.0"), hashes: [] };
  return JSON.stringify({
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: "urn:uuid:76591d12-1071-4c12-ae44-b93bd28ac5fb",
    metadata: { timestamp: "2020-01-01T00:00:00.000Z", component: subject },
    components,
    dependencies: [{ ref: "kata-collector@0.1.0", dependsOn: ["a@1.0.0"] }],
    ...changes,
  });
}

test("the serial number and the date follow from the release, whatever npm made up", () => {
  const first = releaseSbom(bom([component("a", "1.0.0")]), [PACKAGE], DATE);
  const other = bom([component("a", "1.0.0")], {
    serialNumber: "urn:uuid:00000000-0000-4000-8000-000000000000",
  });
  assert.equal(releaseSbom(other, [PACKAGE], DATE), first);
  assert.notEqual(releaseSbom(other, [PACKAGE], new Date(0)), first);
  const { serialNumber, metadata } = JSON.parse(first);
  // The pattern of CycloneDX's schema.
  const uuid = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(serialNumber, uuid);
  assert.equal(metadata.timestamp, "2026-01-02T03:04:05.000Z");
  assert.equal(metadata.component.type, "application");
});

test("a document about other packages than those of the lock is refused", () => {
  const a = component("a", "1.0.0");
  for (const [components, want] of [
    [[], /lacks \[a 1\.0\.0 0707/],
    [[a, component("b", "1.0.0")], /has \[b 1\.0\.0/],
    [[component("a", "1.0.1")], /lacks \[a 1\.0\.0 .*has \[a 1\.0\.1/],
    [[component("a", "1.0.0", Buffer.alloc(64, 8))], /has \[a 1\.0\.0 0808/],
  ] as const)
    assert.throws(() => releaseSbom(bom(components), [PACKAGE], DATE), want);
  const dangling = { dependencies: [{ ref: "kata-collector@0.1.0", dependsOn: ["c@1.0.0"] }] };
  assert.throws(() => releaseSbom(bom([a], dangling), [PACKAGE], DATE), /nothing in it is called c@1\.0\.0/);
});
