// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStateText } from "./state_text.ts";

function check(text: string, want: string): void {
  const read = readStateText(text);
  const said = { named: "hypervisor" in read && read.hypervisor, doubtful: "reason" in read && read.reason };
  assert.equal(
    read.kind === "unnamed" ? "unnamed" : `${read.kind} ${said[read.kind]}`,
    want,
    text.slice(0, 200),
  );
}

test("the hypervisor is the text at hypervisor.hypervisor_type, and nowhere else", () => {
  check('{"hypervisor":{"hypervisor_type":"clh"}}', "named clh");
  check('{"a":[{"b":{}}],"hypervisor" : {"id":"x", "hypervisor_type"\n:"qemu"},"z":1}', "named qemu");
  check('{"hypervisor_type":"clh"}', "unnamed");
  check('[{"hypervisor":{"hypervisor_type":"clh"}}]', "unnamed");
  check('{"hypervisor":[{"hypervisor_type":"clh"}]}', "unnamed");
  check('{"hypervisor":{"config":{"hypervisor_type":"clh"}}}', "unnamed");
  check('{"hypervisor":{"hypervisor_type":["clh"]}}', "unnamed");
  check('{"\\u0068ypervisor":{"hypervisor\\u005ftype":"\\u0063lh"}}', "named clh");
});

test("a text that is no JSON, or a part of one, names no hypervisor", () => {
  for (const text of [
    "",
    "x",
    "null",
    "7",
    '"clh"',
    '{"hypervisor":{"hypervisor_type":"clh"}',
    '{"hypervisor":{"hyp',
  ])
    check(text, "unnamed");
});

test("a key that exists twice, however it is written, makes the text doubtful", () => {
  const twice = "doubtful names its hypervisor twice";
  check('{"hypervisor":{"hypervisor_type":"qemu","hypervisor_type":"clh"}}', twice);
  check('{"hypervisor":{"hypervisor_type":"clh","hypervisor_type":"clh"}}', twice);
  check('{"hypervisor":{"hypervisor_type":"qemu","hypervisor\\u005Ftype":"clh"}}', twice);
  check('{"hypervisor":{"hypervisor_type":"qemu"},"hypervisor":{"hypervisor_type":"clh"}}', twice);
  check('{"\\u0068ypervisor":null,"hypervisor":{"hypervisor_type":"clh"}}', twice);
  check('{"hypervisor":{"hypervisor_type":{"hypervisor_type":"qemu"},"hypervisor_type":"clh"}}', twice);
});

test("a text that only looks like a second key is none", () => {
  check('{"a":{"hypervisor":{}},"hypervisor":{"hypervisor_type":"clh"}}', "named clh");
  check('{"hypervisor":{"hypervisor_type":"clh","x":{"hypervisor_type":"qemu"}}}', "named clh");
  check('{"hypervisor":{"hypervisor_type":"clh"},"x":{"hypervisor_type":"qemu"}}', "named clh");
  check(
    '{"x":"\\"hypervisor\\":{","y":"hypervisor","hypervisor":{"hypervisor_type":"clh","v":"hypervisor_type"}}',
    "named clh",
  );
  check('{"x":["hypervisor","{","]"],"hypervisor":{"hypervisor_type":"a:"}}', "named a:");
});

test("very deep nesting makes the text doubtful, and takes little time", () => {
  const deep = (levels: number, inner: string): string => '{"x":'.repeat(levels) + inner + "}".repeat(levels);
  check(`{"hypervisor":{"hypervisor_type":"clh"},"y":${deep(60, "1")}}`, "named clh");
  check(`{"hypervisor":{"hypervisor_type":"clh"},"y":${deep(64, "1")}}`, "doubtful nests more than 64 deep");
  check(
    `{"hypervisor":{"hypervisor_type":"clh"},"y":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    "doubtful nests more than 64 deep",
  );
  check("[".repeat(200_000), "unnamed");
  check(`"${'\\"'.repeat(120_000)}`, "unnamed");
  check(`{"x":"${'\\"'.repeat(120_000)}","hypervisor":{"hypervisor_type":"clh"}}`, "named clh");
});
