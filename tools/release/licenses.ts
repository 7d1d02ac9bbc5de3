// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LockedPackage } from "./production_tree.ts";

/** Licences that ask for no more than their text beside the program. A copyleft one asks for more, so none is here. */
const ALLOWED: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
]);

/** Where a package has the text of a licence other than Apache-2.0 in a comment at the head of a file only. */
const TEXTS_IN_SOURCES: Readonly<Record<string, string>> = {
  "@bufbuild/protobuf": "dist/esm/wire/varint.js",
};

const LICENSE_FILE = /^(licen[cs]e|copying|notice|third[-_]?party)[^/]*$/i;
const RULE = "-".repeat(80);

/** Whether the SPDX expression leaves a choice that holds only licences which are allowed. `WITH` is refused. */
export function isAllowed(expression: string): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const operand = (): boolean => {
    const token = tokens[at++] ?? "";
    if (token !== "(") return ALLOWED.has(token);
    const isInner = choice();
    return tokens[at++] === ")" && isInner;
  };
  const all = (): boolean => {
    let areAll = operand();
    while (tokens[at] === "AND") {
      at++;
      areAll = operand() && areAll;
    }
    return areAll;
  };
  const choice = (): boolean => {
    let isAny = all();
    while (tokens[at] === "OR") {
      at++;
      isAny = all() || isAny;
    }
    return isAny;
  };
  const isFine = choice();
  return isFine && at === tokens.length;
}

/**
 * The text of THIRD_PARTY_LICENSES.txt: what is packed, under which licence, and each licence's text once, with the packages that
 * have it. Throws with all faults where a licence is unknown or not allowed, or its text is nowhere.
 */
export function thirdPartyLicenses(root: string, packages: readonly LockedPackage[]): string {
  const faults: string[] = [];
  const byText = new Map<string, string[]>();
  for (const locked of packages) {
    const { license, name, version } = locked;
    if (license === undefined || !isAllowed(license)) {
      faults.push(`"${name}": the licence ${JSON.stringify(license ?? "")} is not one of those allowed`);
      continue;
    }
    const texts = licenseTexts(root, locked);
    if (texts.length === 0) faults.push(`"${name}": the text of its licence "${license}" is nowhere in it`);
    for (const text of texts) byText.set(text, [...(byText.get(text) ?? []), `${name} ${version}`]);
  }
  if (faults.length > 0) throw new Error(`cannot list the licences: ${faults.join("; ")}`);
  const width = Math.max(...packages.map(({ name, version }) => name.length + version.length + 1));
  const rows = packages.map(({ name, version, license }) =>
    `  ${`${name} ${version}`.padEnd(width)}  ${license}`.trimEnd(),
  );
  const texts = [...byText].map(([text, names]) => `${RULE}\n${names.join(", ")}:\n\n${text}\n`);
  return `The package holds these packages of others:\n\n${rows.join("\n")}\n\n${texts.join("\n")}`;
}

function licenseTexts(root: string, { path, name, license }: LockedPackage): readonly string[] {
  const folder = join(root, path);
  const texts = readdirSync(folder)
    .filter((file) => LICENSE_FILE.test(file))
    .sort()
    .map((file) => tidied(readFileSync(join(folder, file), "utf8")));
  if (texts.length > 0) return texts;
  const source = TEXTS_IN_SOURCES[name];
  const head = source === undefined ? [] : [headComment(readFileSync(join(folder, source), "utf8"))];
  const isApache = license?.includes("Apache-2.0") === true;
  // Its text is the project's own.
  return isApache ? [...head, tidied(readFileSync(join(root, "LICENSE"), "utf8"))] : head;
}

/** The lines of the comment that the source begins with, without their slashes. */
function headComment(source: string): string {
  const lines = source.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return tidied(
    lines
      .slice(0, end)
      .map((line) => line.replace(/^\/\/ ?/, ""))
      .join("\n"),
  );
}

function tidied(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(/^\uFEFF/, "")
    .replace(/^\n+|\s+$/g, "");
}
