// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ZodType } from "zod";
import type { Catalog } from "../../src/config/catalog.ts";
import { SECTIONS } from "../../src/config/components.ts";
import { renderFaults } from "../../src/config/fault.ts";
import type { LoadResult } from "../../src/config/load.ts";
import { serviceSchema } from "../../src/config/service.ts";
import { registry } from "../../src/registry.ts";
import { loadMerged, optionPlaces, yamlAt } from "../kit/component/options.ts";

/** Keys that JavaScript's objects have by themselves, or treat in a special way. */
const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "__defineGetter__",
  "__lookupSetter__",
  "toJSON",
  "then",
  "length",
];

/** The options that a component needs in addition to the map that is tested. */
const REQUIRED: Readonly<Record<string, Record<string, unknown>>> = {
  oauth2client: { client_id: "me", client_secret: "", token_url: "http://127.0.0.1:1/token" },
  otlp_grpc: { endpoint: "127.0.0.1:1" },
  otlp_http: { endpoint: "http://127.0.0.1:1" },
  prometheus: { endpoint: "127.0.0.1:1" },
  prometheus_remote_write: { endpoint: "http://127.0.0.1:1" },
};

/** Returns the places of maps that take any key. */
function freeMaps(schema: ZodType): (readonly string[])[] {
  return optionPlaces(schema)
    .filter(({ type }) => type === "record")
    .map(({ path }) => path);
}

/** Returns whether a parsed config contains the key anywhere, as a key of an object or in a pair. */
function holds(value: unknown, key: string): boolean {
  if (value === key) return true;
  if (value instanceof Map) return [...value].some((pair) => holds(pair, key));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => name === key || holds(inner, key));
}

/** Fails unless the key is used as any other key or is refused at its place, and no object is changed otherwise. */
async function check(
  texts: readonly string[],
  key: string,
  of: (loaded: LoadResult & { ok: true }) => unknown,
): Promise<void> {
  const before = Object.getOwnPropertyNames(Object.prototype).join();
  const loaded = await loadMerged(texts);
  const text = texts.join(" ");
  assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), before, text);
  if (loaded.ok) {
    assert.ok(holds(of(loaded), key), `${text} drops ${key}`);
    return;
  }
  const shown = renderFaults(loaded.faults);
  assert.ok(
    shown.includes(`"${key}"`) || shown.includes(`::${key}`),
    `${text} is refused without its place: ${shown}`,
  );
}

for (const section of SECTIONS) {
  for (const [type, entry] of Object.entries((registry as Catalog)[section])) {
    test(`maps of ${section}::${type} take the names of JavaScript's own properties like any other key`, async () => {
      const { schema } = await entry.load();
      const required = JSON.stringify({ [section]: { [`${type}/1`]: REQUIRED[type] ?? {} } });
      for (const path of freeMaps(schema)) {
        for (const key of KEYS) {
          const map = yamlAt([section, `${type}/1`, ...path], `{${JSON.stringify(key)}: x}`);
          const loaded = await loadMerged([required]);
          assert.ok(loaded.ok, `add what ${type} needs to REQUIRED`);
          await check([required, map], key, ({ config }) => config[section].get(`${type}/1`)?.config);
        }
      }
    });
  }
}

test("maps of the service take the names of JavaScript's own properties like any other key", async () => {
  const paths = freeMaps(serviceSchema).filter(([first]) => first !== "pipelines");
  assert.equal(paths.length, 3, "initial_fields, resource, and headers of a reader");
  for (const path of paths) {
    for (const key of KEYS) {
      const beside = path.includes("otlp") ? 'endpoint: "127.0.0.1:1", ' : "";
      const map = `{${beside}${JSON.stringify(path.at(-1))}: {${JSON.stringify(key)}: x}}`;
      await check([yamlAt(["service", ...path.slice(0, -1)], map)], key, ({ config }) => config.service);
    }
  }
});

test("all other maps refuse such a key and say where it is", async () => {
  for (const key of KEYS) {
    const name = JSON.stringify(key);
    for (const text of [
      `{${name}: {}}`,
      `{receivers: {${name}: {}}}`,
      `{exporters: {nop: {${name}: {a: 1}}}}`,
      `{service: {${name}: {}}}`,
      `{service: {pipelines: {${name}: {receivers: [kata], exporters: [nop]}}}}`,
      `{service: {pipelines: {metrics: {${name}: []}}}}`,
      `{service: {extensions: [${name}]}}`,
    ]) {
      const loaded = await loadMerged([text]);
      assert.ok(!loaded.ok, text);
      assert.equal(loaded.faults.length, 1, `${text}: ${renderFaults(loaded.faults)}`);
      await check([text], key, () => undefined);
    }
  }
});
