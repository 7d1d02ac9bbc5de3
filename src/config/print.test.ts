// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { shownAsParsed } from "../options/values.ts";
import { complete } from "./complete.ts";
import { fakeCatalog, type Given, loadFake, SERVICE, withOptions } from "./fake_catalog.ts";
import { printableConfig } from "./print.ts";

async function printed(given: Given | string, unredacted = false): Promise<Record<string, unknown>> {
  const { tree } = await loadFake(given);
  assert.ok(tree !== undefined);
  return await printableConfig(tree, fakeCatalog, { unredacted });
}

/** The receiver as it is printed. */
async function kata(given: Given | string, unredacted = false): Promise<unknown> {
  const { receivers } = await printed(given, unredacted);
  return (receivers as Record<string, unknown>)["kata"];
}

const DEFAULTS = {
  interval: "15s",
  count: 3,
  headers: {},
  mode: "basic",
  body: "1KiB",
  list: [],
  roots: [],
  tls: { insecure: false },
};

test("an option that is left out is printed with its default, in the order of the schema", async () => {
  assert.deepEqual(await kata(withOptions("")), DEFAULTS);
  const text = withOptions("tls: {ca_file: x}, count: 5, name: n, list: a, roots: [/a, {path: /b}]");
  const config = await kata(text);
  assert.deepEqual(config, {
    ...DEFAULTS,
    name: "n",
    count: 5,
    list: ["a"],
    roots: ["/a", { path: "/b", runtime: "go" }],
    tls: { insecure: false, ca_file: "x" },
  });
  assert.deepEqual(Object.keys(config as object).slice(0, 3), ["interval", "name", "count"]);
});

test("a printed config is a config with the same meaning", async () => {
  const given = withOptions("interval: 20s, name: '${N}', free: {a: }");
  const first = await loadFake({ files: { f: given }, env: { N: "0123" } });
  const config = await printed({ files: { f: given }, env: { N: "0123" } }, true);
  const second = await loadFake(JSON.stringify(config));
  assert.ok(first.ok && second.ok);
  assert.deepEqual(second.config.receivers.get("kata")?.config, first.config.receivers.get("kata")?.config);
  assert.deepEqual(second.config.service, first.config.service);
});

test("secrets are redacted unless they are asked for", async () => {
  const text = withOptions("token: hunter2, headers: {a: hunter3}");
  assert.deepEqual(await kata(text), { ...DEFAULTS, token: "[REDACTED]", headers: { a: "[REDACTED]" } });
  assert.deepEqual(await kata(text, true), { ...DEFAULTS, token: "hunter2", headers: { a: "hunter3" } });
});

test("a value from outside is printed as its reference, also a list or a map", async () => {
  const text = withOptions(
    "interval: '${T}', name: 'a-${env:N}', count: '${C}', token: '${file:f}', headers: {a: 'Bearer ${N}', b: '${N}'}, list: '${L}', roots: '${L}', tls: '${M}', free: {x: ['${N}', '${env:NONE:-fallback}', 'http://${N}:${N}@h/${N}']}",
  );
  const env = { T: "20s", N: "hunter2", C: "5", L: "[/a, /b]", M: "{insecure: true}" };
  const given = { files: { f: text }, env, uris: ["f"] };
  assert.deepEqual(await kata(given), {
    ...DEFAULTS,
    interval: "${T}",
    name: "a-${env:N}",
    count: "${C}",
    token: "${file:f}",
    headers: { a: "[REDACTED]", b: "${N}" },
    list: "${L}",
    roots: "${L}",
    tls: "${M}",
    free: { x: ["${N}", "fallback", "http://${N}:${N}@h/${N}"] },
  });
  assert.equal(((await kata(given, true)) as Record<string, unknown>)["name"], "a-hunter2");
});

test("a component that this build does not know is not shown", async () => {
  const { exporters } = await printed(`receivers: {kata: }\nexporters: {nope: {x: hunter2}}\n${SERVICE}`);
  assert.deepEqual(exporters, { nope: "[REDACTED]" });
});

test("a value is printed as it is parsed if its schema wants that, and as it is written if it has a fault", () => {
  const whole = z.strictObject({ port: z.int(), host: z.string() });
  const address = z
    .union([z.int(), whole])
    .transform((input) => (typeof input === "number" ? { port: input, host: "" } : input));
  const schema = z.strictObject({ at: z.array(shownAsParsed(address)).default([]) });
  const printed = complete({ at: [1, { port: 2, host: "http://u:p@h" }, "x"] }, schema, {
    unredacted: false,
  });
  assert.deepEqual(printed, { at: [{ port: 1, host: "" }, { port: 2, host: "http://[REDACTED]@h" }, "x"] });
});
