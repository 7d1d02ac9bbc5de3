// SPDX-License-Identifier: Apache-2.0
// Makes release/: the package's tarball, its SBOM and their checksums.
import { join } from "node:path";
import { makeRelease, releaseDate } from "./release.ts";

const ROOT = join(import.meta.dirname, "../..");
const out = join(ROOT, "release");

const date = releaseDate(ROOT, process.env["SOURCE_DATE_EPOCH"]);
for (const file of makeRelease({ root: ROOT, out, date })) process.stdout.write(`release/${file}\n`);
