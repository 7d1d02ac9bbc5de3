// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import { accepted, kataOptions, refused, SERVICE, warned, withOptions } from "./fake_catalog.ts";

const ENV = {
  A: "x",
  B: "A",
  EMPTY: "",
  NUMBER: "0123",
  BRACES: "{abc}",
  COMMENT: "abc #def",
  COLON: "a: b",
  QUOTED: '"q"',
  NULL: "null",
  OPEN: "a${b",
  DOLLARS: "a$$b",
  NESTED: "<${A}>",
  LIST: "[a, b]",
  COMMAS: "a,b",
  MAP: "{insecure: true}",
  TWELVE: "12",
};

async function text(value: string, want: unknown): Promise<void> {
  const { name } = await kataOptions(`name: ${value}`, { env: ENV });
  assert.equal(name, want, value);
}

test("references expand as in the Collector", async () => {
  await text("'${env:A}'", "x");
  await text("'${A}'", "x");
  await text("'${env:A}-${env:A}'", "x-x");
  await text("'${env:NONE:-fall}'", "fall");
  await text("'${NONE:-fall}'", "fall");
  await text("'${env:NONE:-}'", "");
  await text("'${env:NONE:-${A}}'", "x");
  await text("'${env:EMPTY:-fall}y'", "y");
  await text("'${env:${env:B}}'", "x");
  await text("'${yaml:z}'", "z");
  await text("'${yaml:a$${env:A}}'", "ax");
});

test("two dollar signs mean one, and a single one means itself", async () => {
  await text("'$$A'", "$A");
  await text("'$${env:A}'", "${env:A}");
  await text("'$$$${env:A}'", "$${env:A}");
  await text("'$$${env:A}'", "$x");
  await text("'$A'", "$A");
});

test("a value from the environment or a file is data: nothing in it is expanded or unescaped", async () => {
  await text("'${NESTED}'", "<${A}>");
  await text("'a${NESTED}'", "a<${A}>");
  await text("'${DOLLARS}'", "a$$b");
  await text("'a${DOLLARS}'", "aa$$b");
  await text("'${env:NONE:-${DOLLARS}}'", "a$$b");
  await text("'${yaml:${NESTED}}'", "<${A}>");
  await text("'${DOLLARS}$$'", "a$$b$");
  const { free } = await kataOptions("free: {n: '${TREE}'}", { env: { TREE: "{a: '$$', b: '${A}'}" } });
  assert.deepEqual(free, { n: { a: "$$", b: "${A}" } });
  const files = { f: withOptions("name: '${file:/p}'"), "/p": "p$$w${A}\n" };
  const { receivers } = await accepted({ uris: ["f"], files, env: ENV });
  assert.partialDeepStrictEqual(receivers.get("kata")?.config, { name: "p$$w${A}" });
});

test("a value with references in it gets one warning per reference, which does not show the value", async () => {
  const why = 'holds "$$" or "${", which stay as they are: only what the config itself says is expanded';
  await warned(
    {
      uris: ["f"],
      files: {
        f: withOptions("name: '${DOLLARS}-${env:DOLLARS}', token: '${file:/t}', list: ['${NESTED}', '${A}']"),
        "/t": "s$$cret",
      },
      env: ENV,
    },
    `f:1:26: receivers::kata::name: the value of "\${env:DOLLARS}" ${why}`,
    `f:1:62: receivers::kata::token: the value of "\${file:/t}" ${why}`,
    `f:1:83: receivers::kata::list::0: the value of "\${env:NESTED}" ${why}`,
  );
});

test("a field that wants a text gets the text from the environment", async () => {
  await text("'${NUMBER}'", "0123");
  await text("'${BRACES}'", "{abc}");
  await text("'${COMMENT}'", "abc #def");
  await text("'${COLON}'", "a: b");
  await text("'${QUOTED}'", '"q"');
  await text("'${NULL}'", "null");
  await text("'${LIST}'", "[a, b]");
  await text("'${EMPTY}'", "");
  await text("'${OPEN}'", "a${b");
});

test("any other field gets what the text means as YAML", async () => {
  const options = "count: '${TWELVE}', list: '${LIST}', tls: '${MAP}', free: {n: '${TWELVE}'}";
  const { count, list, tls, free } = await kataOptions(options, { env: ENV });
  assert.deepEqual([count, list, tls, free], [12, ["a", "b"], { insecure: true }, { n: 12 }]);
  assert.deepEqual((await kataOptions("list: '${COMMAS}'", { env: ENV }))["list"], ["a", "b"]);
  assert.equal((await kataOptions("count: '${EMPTY}'", { env: ENV }))["count"], 3, "null means the default");
});

test("the last line end of a file is dropped", async () => {
  const files = { f: withOptions("name: '${file:/secret}'"), "/secret": "s3cret\r\n" };
  await warned({ uris: ["f"], files });
  await refused(
    { uris: ["f"], files: { ...files, "/secret": "x".repeat(1024 * 1024 + 1) } },
    'f:1:26: receivers::kata::name: cannot read file "/secret": it has more than 1048576 bytes',
  );
});

test("keys are never expanded", async () => {
  const { free } = await kataOptions("free: {'${A}': 1}", { env: ENV });
  assert.deepEqual(free, { "${A}": 1 });
});

test("an unset variable is null, with a warning", async () => {
  await warned(
    withOptions("name: '${env:NONE}'"),
    'f:1:26: warning: receivers::kata::name: environment variable "NONE" is not set and has no default as in "${env:NONE:-x}"'.replace(
      "warning: ",
      "",
    ),
  );
  assert.equal((await kataOptions("name: 'a${env:constructor}'"))["name"], "a");
});

test("a reference without its end is a text, with a warning where a person wrote it", async () => {
  await text("'a${env:X'", "a${env:X");
  await warned(
    withOptions("name: 'a${env:X'"),
    'f:1:26: receivers::kata::name: "${" without its "}" is taken as it stands; write "$$" for a dollar sign',
  );
});

test("a value that a later config replaces is not expanded", async () => {
  await warned({ files: { a: withOptions("name: '${NONE}'"), b: "receivers: {kata: {name: x}}" } });
});

test("references that lead nowhere are faults with their place, and no further faults of their fields", async () => {
  const at = "f:1:27: receivers::kata::count: ";
  const check = (value: string, want: string, env = {}): Promise<void> =>
    refused({ files: { f: withOptions(`count: '${value}'`) }, env }, `${at}${want}`);
  await check(
    "${env:1A}",
    'environment variable "1A" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$',
  );
  await check("${vault:x}", 'scheme "vault" is not supported in "${…}"; there are env, file and yaml');
  await check("a${file:/no}", 'cannot read file "/no": no such file');
  const deep = `${"${env:".repeat(200)}A${"}".repeat(200)}`;
  await check(deep, "too many recursive expansions");
  await check(`x${deep}${deep}`, "too many recursive expansions");
});

test("references with too much text together are refused", async () => {
  await refused(
    { files: { f: withOptions(`name: '${"${A}".repeat(100)}'`) }, env: { A: "x".repeat(50_000) } },
    "f:1:26: receivers::kata::name: the config is too large once it is expanded; the limit is 4194304 characters",
  );
});

test("a fault of an expanded value has the place of the reference", async () => {
  const config = `receivers: {kata: '\${R}'}\nexporters: {out: }\n${SERVICE}`;
  await refused(
    { files: { f: config }, env: { R: "{count: 0, nam: x}" } },
    'f:1:19: receivers::kata::count: must be at least 1, got the value of "${R}"',
    'f:1:19: receivers::kata: unknown key "${R}"; did you mean "name"?',
  );
});
