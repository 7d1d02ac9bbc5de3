// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { registry } from "../registry.ts";
import { fakeCatalog, SERVICE } from "./fake_catalog.ts";
import { configJsonSchema } from "./json_schema.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Checks a config as an editor does, with another implementation of JSON Schema. */
async function validator(catalog: typeof registry): Promise<z.ZodType> {
  const schema = JSON.parse(JSON.stringify(await configJsonSchema(catalog)));
  return z.fromJSONSchema(schema);
}

test("the schema accepts what the agent accepts, as it is written, and refuses the rest", async () => {
  const schema = await validator(fakeCatalog);
  const check = (options: string, want: boolean): void => {
    const config = `receivers:\n  kata/x: ${options}\nexporters:\n  out:\n  otlp/a:\n${SERVICE}`;
    assert.equal(schema.safeParse(parse(config)).success, want, options);
  };
  check("", true);
  check("{interval: 1m30s, count: 5, mode: normal, body: 5KiB, roots: [/a, {path: /b}]}", true);
  check("{interval: '${env:I}', count: '${C:-3}', tls: '${file:x}', list: ['${A}'], roots: '${R}'}", true);
  check("{interval: , count: , tls: {insecure: }}", true);
  check("'${file:kata.yaml}'", true);
  check("{intervall: 15s}", false);
  check("{interval: 15 s}", false);
  check("{count: '5'}", false);
  check("{count: 0}", false);
  check("{mode: loud}", false);
  check("{roots: [3]}", false);
  check("{tls: {insecure: 1}}", false);
  check("{gone: 1}", false);
});

test("ids, sections and the service are checked", async () => {
  const schema = await validator(fakeCatalog);
  const check = (text: string, want: boolean): void =>
    assert.equal(schema.safeParse(parse(text)).success, want, text);
  check(`receivers: {kata: }\nexporters: {out/name: }\n${SERVICE}`, true);
  check(`receivers: {kat: }\nexporters: {out: }\n${SERVICE}`, false);
  check(`receivers: {kata/: }\nexporters: {out: }\n${SERVICE}`, false);
  check(`recievers: {kata: }\nexporters: {out: }\n${SERVICE}`, false);
  check("receivers: {kata: }\nexporters: {out: }\nservice: {piplines: {}}\n", false);
});

test("fields carry their description, their default and whether they are secret", async () => {
  const schema = JSON.parse(JSON.stringify(await configJsonSchema(fakeCatalog)));
  const [component] = schema.properties.exporters.patternProperties["^(otlp_grpc|otlp)(/.+)?$"].anyOf;
  const { interval, token, gone } = component.properties;
  assert.equal(interval.default, "15s");
  assert.match(interval.description, /^a duration/);
  assert.equal(token.writeOnly, true);
  assert.deepEqual(gone, { description: "is not supported; write name", not: {} });
});

test("the schema of this build accepts every ready-made config and example", async () => {
  const schema = await validator(registry);
  const paths = globSync("{config,examples}/*.yaml", { cwd: ROOT });
  assert.ok(paths.length > 0);
  for (const path of paths) {
    const { error } = schema.safeParse(parse(await readFile(join(ROOT, path), "utf8")));
    assert.equal(error, undefined, path);
  }
});
