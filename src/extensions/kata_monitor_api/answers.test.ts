import assert from "node:assert/strict";
import { test } from "node:test";
import { sandboxStatus } from "../../../test/scenes/sandbox_status.ts";
import type { SandboxStatus } from "../../component/sandboxes.ts";
import { idsHtml, idsText, indexHtml, indexText, statesHtml, statesText } from "./answers.ts";

const UP = sandboxStatus("b1", { lastAnswerMs: 0 });
const UNSAFE: SandboxStatus = {
  ...UP,
  id: "a2",
  directory: "/run/kata/a2",
  state: "unsafe",
  code: "qemu",
  reason: 'says "<script>\n\u001b[31m',
  lastAnswerMs: undefined,
};

test("ids stand a line each, in order, and once where two roots have them", () => {
  assert.equal(idsText([]), "");
  assert.equal(idsText([UP, UNSAFE, { ...UP, directory: "/run/kata/b1" }]), "a2\nb1\n");
});

test("states are a table for people, in which nothing that a guest says moves the terminal", () => {
  const lines = statesText([UP, UNSAFE]).split("\n");
  assert.match(lines[0] ?? "", /^SANDBOX +STATE +RUNTIME +LAST ANSWER +DIRECTORY +REASON$/);
  assert.match(lines[1] ?? "", /^a2 +unsafe +go +never +\/run\/kata\/a2 +qemu: says "<script>\?\?\[31m$/);
  assert.match(lines[2] ?? "", /^b1 +up +go +1970-01-01T00:00:00\.000Z +\/run\/vc\/sbs\/b1$/);
});

test("HTML links to what can be asked of a sandbox, and escapes the rest", () => {
  assert.match(idsHtml([UP]), /<a href="\/metrics\?sandbox=b1">.*<a href="\/agent-url\?sandbox=b1">/);
  const html = statesHtml([UP, UNSAFE]);
  assert.ok(!html.includes("<script>") && html.includes("&quot;&lt;script&gt;??[31m"), html);
});

test("the index names every endpoint, and none of those that change a sandbox", () => {
  for (const text of [indexText(), indexHtml()]) {
    for (const path of ["/metrics", "/sandboxes", "/agent-url"]) assert.ok(text.includes(path), path);
    for (const path of ["debug", "iptables", "policy", "direct-volume"])
      assert.ok(!text.includes(path), path);
  }
});
