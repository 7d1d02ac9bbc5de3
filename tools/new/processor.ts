// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FACTORY = `// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ProcessorFactory } from "../../component/factory.ts";

/** Passes everything on as it is. */
export const factory: ProcessorFactory<Record<string, never>> = {
  stability: "development",
  schema: z.strictObject({}),
  create: (_config, _settings, next) => ({
    start: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    noRoom: (resourceKey) => next.noRoom(resourceKey),
    consume: (reading) => next.consume(reading),
    end: (ended) => next.end(ended),
  }),
};
`;
const TEST = `// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { testSettings } from "../../../test/kit/component/settings.ts";
import type { Reading } from "../../metrics/model.ts";
import { factory } from "./factory.ts";

test("a reading passes as it is", () => {
  const passed: Reading[] = [];
  const next = { noRoom: () => undefined, consume: (one: Reading) => passed.push(one), end: () => {} };
  const settings = testSettings();
  const [resource, schema] = [{ key: "kata/s1", attributes: [] }, settings.interner.schema([])];
  const reading: Reading = { resource, schema, values: new Float64Array(), timeMs: 1, startMs: 0 };
  factory.create(factory.schema.parse({}), settings, next).consume(reading);
  assert.deepEqual(passed, [reading]);
});
`;

/** Makes src/processors/NAME and its entry in the registry, and returns the paths. Writes nothing if the name is no good. */
export function makeProcessor(root: string, name: string): readonly string[] {
  const folder = `src/processors/${name}`;
  const registry = readFileSync(join(root, "src/registry.ts"), "utf8");
  const [, section = ""] = /\n {2}processors: \{\n(.*?\n) {2}\},\n/s.exec(registry) ?? [];
  const entries = section.match(/ {4}\w+: \{\n.*?\n {4}\},\n/gs);
  if (entries === null) throw new Error("BUG: the processors are not where src/registry.ts had them");
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) || name.length > 64)
    throw new Error(
      `cannot make processor "${name}": a name is in snake_case, of at most 64 letters, such as "drop_families"`,
    );
  if (existsSync(join(root, folder)) || entries.some((entry) => entry.startsWith(`    ${name}: `)))
    throw new Error(`cannot make processor "${name}": there is one already; give another name`);
  const load = `async () => (await import("./processors/${name}/factory.ts")).factory`;
  const entry = `    ${name}: {\n      stability: "development",\n      aliases: [],\n      load: ${load},\n    },\n`;
  const texts = {
    [`${folder}/factory.ts`]: FACTORY,
    [`${folder}/factory.test.ts`]: TEST,
    [`${folder}/README.md`]: `# ${name}\n\nPasses everything on as it is.\n`,
    "src/registry.ts": registry.replace(section, () => [...entries, entry].sort().join("")),
  };
  mkdirSync(join(root, folder));
  for (const [path, text] of Object.entries(texts)) writeFileSync(join(root, path), text);
  return Object.keys(texts);
}
