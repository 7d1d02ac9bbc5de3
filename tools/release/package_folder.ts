// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { thirdPartyLicenses } from "./licenses.ts";
import { type LockedPackage, productionLock, productionPackages } from "./production_tree.ts";

/** The package's files besides its program and the packages of others. */
const FILES = [
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "SECURITY.md",
  "config/kata-collector.yaml",
  "examples",
];

const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  repository: z.object({ type: z.string(), url: z.string() }),
  bugs: z.string(),
  homepage: z.string(),
  exports: z.record(z.string(), z.string()),
  type: z.string(),
  bin: z.record(z.string(), z.string()),
  engines: z.record(z.string(), z.string()),
  keywords: z.array(z.string()),
  dependencies: z.record(z.string(), z.string()),
});

/**
 * Builds the program and makes the folder that is packed: a manifest without scripts and development packages, and the very
 * packages of others that the checkout was tested with. They are bundled, since npm reads a lock in a package of a registry only
 * and in a tarball none. Throws where node_modules is not what package-lock.json says.
 */
export function makePackageFolder(root: string, folder: string): void {
  execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const { dependencies, ...said } = Manifest.parse(readJson(join(root, "package.json")));
  const lock = readJson(join(root, "package-lock.json"));
  const packages = productionPackages(lock);
  const manifest = { ...said, dependencies, bundleDependencies: Object.keys(dependencies) };
  const copied = ["dist", ...FILES];
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const locked of packages) copyPackage(root, folder, locked);
  writeJson(join(folder, "package.json"), manifest);
  // npm packs no package-lock.json; the SBOM is made from it.
  writeJson(join(folder, "package-lock.json"), productionLock(manifest, lock));
  writeFileSync(join(folder, "THIRD_PARTY_LICENSES.txt"), thirdPartyLicenses(root, packages));
  setModes(folder, new Set(Object.values(said.bin).map((path) => join(folder, path))));
}

/** Copies one package without those below it. Throws where it is not of the version that is locked. */
export function copyPackage(root: string, folder: string, { path, name, version }: LockedPackage): void {
  const from = join(root, path);
  const there = z.object({ version: z.string() }).parse(readJson(join(from, "package.json"))).version;
  if (there !== version)
    throw new Error(
      `cannot pack "${name}": version ${there} is in ${path}, and package-lock.json has ${version}; run "npm ci"`,
    );
  // Packages below it have entries of their own, or are for development.
  const filter = (source: string): boolean => basename(source) !== "node_modules" || source === from;
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  cpSync(from, join(folder, path), { recursive: true, filter });
}

/** The umask of whoever builds is no part of the package. */
function setModes(folder: string, programs: ReadonlySet<string>): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    chmodSync(path, entry.isDirectory() || programs.has(path) ? 0o755 : 0o644);
  }
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
