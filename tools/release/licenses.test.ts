// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isAllowed, thirdPartyLicenses } from "./licenses.ts";

test("a licence passes where all that it asks for is on the list", () => {
  for (const [expression, want] of [
    ["MIT", true],
    ["GPL-3.0-only", false],
    ["MIT OR GPL-3.0-only", true],
    ["GPL-3.0-only OR MIT", true],
    ["MIT AND GPL-3.0-only", false],
    ["(Apache-2.0 AND BSD-3-Clause)", true],
    ["(MIT OR GPL-2.0-only) AND AGPL-3.0-only", false],
    ["AGPL-3.0-only AND (MIT OR ISC) OR 0BSD", true],
    ["GPL-2.0-only WITH Classpath-exception-2.0", false],
    ["MIT WITH Classpath-exception-2.0", false],
    ["SEE LICENSE IN LICENSE.md", false],
    ["UNLICENSED", false],
    ["(MIT", false],
    ["MIT)", false],
    ["MIT ISC", false],
    ["MIT AND", false],
    ["mit", false],
    ["", false],
  ] as const)
    assert.equal(isAllowed(expression), want, expression);
});

/** Lists packages, which are given by name: the licence and the files of each. */
function list(
  packages: Readonly<Record<string, readonly [license: string | undefined, files: object]>>,
): string {
  const root = mkdtempSync(join(tmpdir(), "licenses-"));
  try {
    writeFileSync(join(root, "LICENSE"), "the Apache text\n");
    const locked = Object.entries(packages).map(([name, [license, files]]) => {
      const path = `node_modules/${name}`;
      mkdirSync(join(root, path), { recursive: true });
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path, file)), { recursive: true });
        writeFileSync(join(root, path, file), text);
      }
      return { path, name, version: "1.0.0", license, integrity: "", hasInstallScript: false };
    });
    return thirdPartyLicenses(root, locked);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("every package has its licence's text and notice, and equal texts stand once", () => {
  const text = list({
    a: ["MIT", { LICENSE: "may do\r\nmuch\n\n", "NOTICE.txt": "by a\n" }],
    b: ["MIT", { "license.md": "may do\nmuch" }],
    c: ["Apache-2.0", {}],
    "@bufbuild/protobuf": [
      "(Apache-2.0 AND BSD-3-Clause)",
      { "dist/esm/wire/varint.js": "// Copyright\n//\n// terms\ncode();\n" },
    ],
  });
  const rule = "-".repeat(80);
  const [head = "", ...parts] = text.split(`${rule}\n`).map((part) => part.trim());
  assert.match(head, /^ {2}b 1\.0\.0 +MIT$/m);
  assert.deepEqual(parts, [
    "a 1.0.0, b 1.0.0:\n\nmay do\nmuch",
    "a 1.0.0:\n\nby a",
    "c 1.0.0, @bufbuild/protobuf 1.0.0:\n\nthe Apache text",
    "@bufbuild/protobuf 1.0.0:\n\nCopyright\n\nterms",
  ]);
});

test("a package without a licence, with another one or without its text fails, and all that fail are named", () => {
  const mit = ["MIT", { LICENSE: "x" }] as const;
  assert.throws(
    () =>
      list({
        fine: mit,
        none: [undefined, {}],
        copyleft: ["GPL-3.0-only", { LICENSE: "x" }],
        bare: ["MIT", {}],
      }),
    (error: Error) => {
      assert.deepEqual(error.message.split("; "), [
        'cannot list the licences: "none": the licence "" is not one of those allowed',
        '"copyleft": the licence "GPL-3.0-only" is not one of those allowed',
        '"bare": the text of its licence "MIT" is nowhere in it',
      ]);
      return true;
    },
  );
});
