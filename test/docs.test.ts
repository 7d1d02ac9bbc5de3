// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import type { Catalog } from "../src/config/catalog.ts";
import { SECTIONS } from "../src/config/components.ts";
import { registry } from "../src/registry.ts";
import { hasProgram, peerIsThere } from "./kit/peers.ts";
import { GENERATED } from "./tidy/generated.ts";
import { brokenLinks, DOCUMENTS } from "./tidy/markdown_links.ts";
import { optionsOf, readReadme, unnamedOptions } from "./tidy/option_docs.ts";
import { ROOT } from "./tidy/sources.ts";

/**
 * Things that may be missing or wrong in a document, each with its reason. The key is how the lines of a failing rule begin. An
 * entry that no rule needs any more fails.
 */
const EXCEPTIONS: Readonly<Record<string, string>> = {};

const unused = new Set(Object.keys(EXCEPTIONS));

/** Fails where one of `wrong` is no exception. */
function check(rule: string, wrong: readonly string[]): void {
  const left = wrong.filter((line) => {
    const exception = Object.keys(EXCEPTIONS).find((beginning) => line.startsWith(beginning));
    if (exception !== undefined) unused.delete(exception);
    return exception === undefined;
  });
  assert.deepEqual(left, [], rule);
}

const catalog: Catalog = registry;

/** Every component with its schema. */
async function components() {
  const entries = SECTIONS.flatMap((section) =>
    Object.entries(catalog[section]).map(([type, entry]) => ({ section, type, entry })),
  );
  return await Promise.all(
    entries.map(async ({ section, type, entry }) => {
      const { schema, stability } = await entry.load();
      const options = new Set(optionsOf(schema).map((keys) => keys.join("::")));
      return { section, type, entry, schema, stability, options, readme: `src/${section}/${type}/README.md` };
    }),
  );
}

for (const { path, needs, make } of GENERATED) {
  test(`${path} is what node test/tidy/write.ts writes`, async (context) => {
    if (needs !== undefined && !peerIsThere(context, needs, hasProgram(needs, "version"))) return;
    assert.equal(readFileSync(join(ROOT, path), "utf8"), await make(), "run node test/tidy/write.ts");
  });
}

test("every option of a component is named in its README, or in one that it links to", async () => {
  const all = await components();
  check(
    "options without documentation",
    all.flatMap(({ readme, schema }) => unnamedOptions(readme, schema)),
  );
});

test("every option in a table of a README is in the schema of the component, or of one that links to it", async () => {
  const all = await components();
  const wrong = globSync("{README.md,src/**/README.md}", { cwd: ROOT }).flatMap((path) => {
    const own = all.filter(({ readme }) => readme === path);
    const owners = own.length > 0 || path === "README.md" ? own : all;
    const takers = owners.length > 0 ? owners : all;
    return readReadme(path)
      .options.map((keys) => keys.join("::"))
      .filter((option) => !takers.some(({ options }) => options.has(option)))
      .map((option) => `${path}: no component has the option ${option}`);
  });
  check("documented options that there are not", wrong);
});

test("README.md's table of components is the registry, with each component's aliases and stability", async () => {
  const all = await components();
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const rows = Array.from(
    readme.matchAll(/^\| (receiver|processor|exporter|extension) (.*?) \|.*\| (\w+) \|.*\|$/gm),
    ([, kind = "", names = "", stability = ""]) => `${kind} ${names}: ${stability}`,
  );
  const wanted = all.map(({ section, type, entry, stability }) => {
    const aliases = entry.aliases.map((alias) => ` (\`${alias}\`)`).join("");
    assert.equal(stability, entry.stability, `${section}/${type}: the registry and the factory agree`);
    return `${section.replace(/s$/, "")} \`${type}\`${aliases}: ${stability}`;
  });
  assert.deepEqual(rows.sort(), wanted.sort());
});

test("every link between documents leads to an existing file and heading", () => {
  check("links", DOCUMENTS.flatMap(brokenLinks));
});

test("every file that a document names exists", () => {
  const wrong = DOCUMENTS.flatMap((path) => {
    const here = dirname(path);
    const names = Array.from(
      readFileSync(join(ROOT, path), "utf8").matchAll(/`([\w./-]+\.(?:ts|md|py|go))`/g),
      ([, name = ""]) => name,
    );
    const isThere = (name: string): boolean =>
      ["", "src", "test", here].some((folder) => existsSync(join(ROOT, folder, name))) ||
      globSync(`**/${basename(name)}`, { cwd: join(ROOT, here === "." ? "src" : here) }).some((found) =>
        `/${found}`.endsWith(`/${name}`),
      );
    return names.filter((name) => !isThere(name)).map((name) => `${path}: there is no file ${name}`);
  });
  check("files", wrong);
});

test("every metric of the agent's own that a document names is in docs/metrics.md", () => {
  const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
  const known = new Set(
    Array.from(page.matchAll(/^\| `(\w+)/gm), ([, name = ""]) => name).flatMap((name) => [
      name,
      name.replace(/_total$/, ""),
    ]),
  );
  // The changelog may name what earlier versions had.
  const wrong = DOCUMENTS.filter((path) => path !== "CHANGELOG.md").flatMap((path) =>
    Array.from(
      readFileSync(join(ROOT, path), "utf8").matchAll(/\b((?:kata_collector|otelcol)_\w+)\b(?![*…])/g),
      ([, name = ""]) => name,
    )
      .filter((name) => !known.has(name) && !name.endsWith("_"))
      .map((name) => `${path}: there is no metric ${name}`),
  );
  check("metrics", wrong);
});

test("every exception is needed by a rule of those above", () => {
  assert.deepEqual([...unused], [], "remove them from EXCEPTIONS");
});
