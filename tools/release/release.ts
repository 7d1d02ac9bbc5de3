// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePackageFolder } from "./package_folder.ts";
import { productionPackages } from "./production_tree.ts";
import { releaseSbom } from "./sbom.ts";

export const SBOM = "sbom.cdx.json";
export const SUMS = "SHA256SUMS";

export interface ReleaseOptions {
  /** The checkout, after `npm ci`. */
  readonly root: string;
  /** Whatever is in this folder is deleted. */
  readonly out: string;
  /** The date of the SBOM. */
  readonly date: Date;
}

/**
 * Makes the package's tarball, its SBOM and their checksums, and gives the names of the files. The same commit, Node, npm and date
 * give the same bytes, whatever the umask and the folder are.
 */
export function makeRelease({ root, out, date }: ReleaseOptions): readonly string[] {
  const staging = mkdtempSync(join(tmpdir(), "release-"));
  try {
    // The SBOM has the folder's name.
    const folder = join(staging, "kata-collector");
    makePackageFolder(root, folder);
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    const npm = (...args: readonly string[]): string =>
      execFileSync("npm", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const tarball = npm("pack", "--silent", "--ignore-scripts", "--pack-destination", out).trim();
    const packages = productionPackages(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
    const sbom = npm("sbom", "--package-lock-only", "--omit", "dev", "--sbom-format", "cyclonedx");
    writeFileSync(join(out, SBOM), releaseSbom(sbom, packages, date));
    const files = [tarball, SBOM];
    writeFileSync(join(out, SUMS), files.map((file) => `${sha256(join(out, file))}  ${file}\n`).join(""));
    return [...files, SUMS];
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/**
 * When the release is made: SOURCE_DATE_EPOCH in seconds (reproducible-builds.org), or else the date of the commit. Throws where
 * there is neither, since the present moment would make every release another one.
 */
export function releaseDate(root: string, sourceDateEpoch: string | undefined): Date {
  const seconds = sourceDateEpoch ?? commitDate(root);
  if (!/^[0-9]{1,11}$/.test(seconds))
    throw new Error(`SOURCE_DATE_EPOCH must be in whole seconds, got "${seconds}"`);
  return new Date(Number(seconds) * 1_000);
}

function commitDate(root: string): string {
  try {
    const args = ["log", "-1", "--format=%ct"];
    return execFileSync("git", args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  } catch (cause) {
    throw new Error("cannot tell the release's date: there is no commit; set SOURCE_DATE_EPOCH", { cause });
  }
}
