// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { productionPackages } from "../../tools/release/production_tree.ts";
import { makeRelease, releaseDate, SBOM, SUMS } from "../../tools/release/release.ts";

const ROOT = join(import.meta.dirname, "../..");
const DATE = releaseDate(ROOT, "1700000000");
const PACKAGES = productionPackages(JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")));

/** The files that the package may have in addition to its dependencies; `dist` has what the program imports. */
const KINDS: readonly RegExp[] = [
  /^package\.json$/,
  /^(README|CHANGELOG|SECURITY)\.md$/,
  /^LICENSE$/,
  /^THIRD_PARTY_LICENSES\.txt$/,
  /^config\/kata-collector\.yaml$/,
  /^examples\/[a-z0-9_./-]+\.(ya?ml|service)$/,
  /^dist\/[a-z0-9_/]+\.js$/,
];
/** Words in the names of files that only tests and the simulator need. */
const NOT_THE_AGENTS = /(^|[_/])(test|tests|fake|fakes|scene|scenes|simulator|simulate|demo)([_./]|$)/;

const folder = mkdtempSync(join(tmpdir(), "package-"));
let tarball = "";

function run(program: string, args: readonly string[], cwd = folder): string {
  return execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

before(() => {
  const [name = ""] = makeRelease({ root: ROOT, out: join(folder, "first"), date: DATE });
  tarball = join(folder, "first", name);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the package has the agent, its configuration and examples, and the packages of the lock, and nothing else", () => {
  const files = run("tar", ["-tzf", tarball])
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  const own = files.filter((path) => !path.startsWith("node_modules/"));
  assert.deepEqual(
    own.filter((path) => !KINDS.some((kind) => kind.test(path)) || NOT_THE_AGENTS.test(path)),
    [],
  );
  const sources = own
    .filter((path) => /^dist\/.*\.js$/.test(path))
    .map((path) => path.replace(/^dist/, "src").replace(/js$/, "ts"));
  assert.deepEqual(
    sources.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
  for (const kind of KINDS)
    assert.ok(
      own.some((path) => kind.test(path)),
      String(kind),
    );
  const manifests = PACKAGES.map(({ path }) => `${path}/package.json`);
  assert.deepEqual(
    manifests.filter((path) => !files.includes(path)),
    [],
  );
  const isKnown = (file: string): boolean => PACKAGES.some(({ path }) => file.startsWith(`${path}/`));
  assert.deepEqual(
    files.filter((path) => !own.includes(path) && !isKnown(path)),
    [],
  );
});

test("the package installs without a registry and without scripts, has the tested dependencies, and runs", () => {
  const prefix = join(folder, "prefix");
  const cache = join(folder, "empty_cache");
  run("npm", [
    "install",
    "--global",
    "--ignore-scripts",
    "--offline",
    "--prefix",
    prefix,
    "--cache",
    cache,
    tarball,
  ]);
  const installed = join(prefix, "lib/node_modules/kata-collector");
  const there = globSync("**/node_modules/{*,@*/*}/package.json", { cwd: installed })
    .filter((path) => !/\/node_modules\/@[^/]+\/package\.json$/.test(`/${path}`))
    .map((path) => {
      const { version } = JSON.parse(readFileSync(join(installed, path), "utf8"));
      return `${path.replace(/\/package\.json$/, "")} ${version}`;
    });
  assert.deepEqual(there.sort(), PACKAGES.map(({ path, version }) => `${path} ${version}`).sort());
  const { scripts, devDependencies, workspaces } = JSON.parse(
    readFileSync(join(installed, "package.json"), "utf8"),
  );
  assert.deepEqual([scripts, devDependencies, workspaces], [undefined, undefined, undefined]);
  // It is not started by its first line, which would take the first `node` in the path.
  const agent = (...args: readonly string[]): string =>
    run(process.execPath, [join(installed, "dist/main.js"), ...args]);
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal(agent("--version"), `kata-collector version ${version}\n`);
  assert.match(agent("components"), /name: cri_metadata/);
  assert.equal(agent("validate", "--config", join(installed, "config/kata-collector.yaml")), "");
  assert.throws(() => agent("demo"), /no command "demo" here; it is "npm run demo" in a checkout/);
});

test("the checksums are those of the tarball and of an SBOM that names every package once", () => {
  assert.match(run("sha256sum", ["--check", "--strict", SUMS], join(folder, "first")), /^(.+: OK\n){2}$/);
  const { components } = JSON.parse(readFileSync(join(folder, "first", SBOM), "utf8"));
  const purls: string[] = components.map(({ purl }: { purl: string }) => purl);
  assert.deepEqual(
    purls.sort(),
    PACKAGES.map(({ name, version }) => `pkg:npm/${name.replace("@", "%40")}@${version}`).sort(),
  );
});

test("a second release has the same bytes, under another umask and after a build that left files", () => {
  writeFileSync(join(ROOT, "dist/stale.js"), "");
  const umask = process.umask(0o077);
  try {
    makeRelease({ root: ROOT, out: join(folder, "second"), date: DATE });
  } finally {
    process.umask(umask);
  }
  const [first, second] = ["first", "second"].map((out) => readFileSync(join(folder, out, SUMS), "utf8"));
  assert.equal(second, first);
});
