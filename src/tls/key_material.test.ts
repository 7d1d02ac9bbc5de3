// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { createTestAuthority, type TestAuthority } from "../../test/kit/certificates.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { type KeyMaterial, readKeyMaterial } from "./key_material.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let authority: TestAuthority | undefined;
const file = (name: string): string => authority?.file(name) ?? "";
const text = (name: string): string => readFileSync(file(name), "utf8");
const half = (whole: string): string => whole.slice(0, whole.length / 2);

before(() => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("one", "DNS:one.test");
  authority.issue("two", "DNS:two.test");
  authority.issue("old", "DNS:old.test", -1);
});

after(() => authority?.remove());

/** Reads files with these contents; undefined is a file that is missing. */
function reading(files: { ca?: string | undefined; cert?: string; key?: string }): Promise<KeyMaterial> {
  const source = (name: "ca" | "cert" | "key") => {
    if (!(name in files)) return undefined;
    const path = file(`read.${name}`);
    const content = files[name];
    if (content !== undefined) writeFileSync(path, content);
    return { option: `${name}_file`, from: { path: content === undefined ? "/nowhere/x" : path } };
  };
  return readKeyMaterial({ ca: source("ca"), cert: source("cert"), key: source("key") });
}

test("a bundle, a chain and a key, with words and other blocks between them, are read", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const ca = `# the first\n${text("ca.crt")}\n# ----- and -----\n${text("two.crt")}`;
  const material = await reading({
    ca,
    cert: text("one.key") + text("one.crt") + text("ca.crt"),
    key: text("one.key"),
  });
  assert.equal(material.ca, ca);
  assert.deepEqual(
    material.leading.map((one) => one.file),
    [file("read.ca"), file("read.cert")],
  );
  const aboutTwoDaysMs = Date.now() + 2 * 86_400_000;
  for (const { expiresMs } of material.leading) assert.ok(Math.abs(expiresMs - aboutTwoDaysMs) < 3_600_000);
});

test("text in the config is read as files are, under the option's name", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const pem = (option: string, value: string) => ({ option, from: { text: value } });
  const sources = {
    ca: undefined,
    cert: pem("cert_pem", text("one.crt")),
    key: pem("key_pem", text("one.key")),
  };
  assert.deepEqual(
    (await readKeyMaterial(sources)).leading.map((one) => one.file),
    ["cert_pem"],
  );
  const mixed = { ...sources, key: pem("key_pem", text("two.key")) };
  await assert.rejects(
    readKeyMaterial(mixed),
    /^Error: cannot use tls::key_pem: it is not the key of tls::cert_pem;/,
  );
});

test("an expired certificate is no fault", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { leading } = await reading({ cert: text("old.crt"), key: text("old.key") });
  assert.ok((leading[0]?.expiresMs ?? Number.NaN) < Date.now());
});

test("files that are missing, empty, cut off or do not belong together are refused with the option and the file", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const check = async (files: Parameters<typeof reading>[0], want: string): Promise<void> => {
    await assert.rejects(reading(files), ({ message }: Error) => {
      assert.ok(message.startsWith(want), message);
      return true;
    });
  };
  const ca = `cannot use tls::ca_file "${file("read.ca")}":`;
  await check({ ca: undefined }, 'cannot read tls::ca_file "/nowhere/x": ENOENT');
  await check({ ca: "" }, `${ca} there is no certificate in it`);
  await check({ ca: "hello" }, `${ca} there is no certificate in it`);
  await check({ ca: text("one.key") }, `${ca} there is no certificate in it`);
  await check({ ca: half(text("ca.crt")) }, `${ca} it is cut off`);
  await check({ ca: text("ca.crt") + half(text("one.crt")) }, `${ca} it is cut off`);
  const broken = text("one.crt").replace(/\n[A-Za-z]{2}/, "\n!!");
  await check({ ca: text("ca.crt") + broken }, `${ca} certificate 2 in it is broken: `);

  const [cert, key] = [text("one.crt"), text("one.key")];
  const keyFault = `cannot use tls::key_file "${file("read.key")}":`;
  await check({ cert: half(cert), key }, `cannot use tls::cert_file "${file("read.cert")}": it is cut off`);
  await check({ cert, key: "" }, `${keyFault} there is no key in it that can be read: `);
  await check({ cert, key: half(key) }, `${keyFault} there is no key in it that can be read: `);
  await check({ cert, key: cert }, `${keyFault} there is no key in it that can be read: `);
  await check(
    { cert, key: text("two.key") },
    `${keyFault} it is not the key of tls::cert_file "${file("read.cert")}";`,
  );
});
