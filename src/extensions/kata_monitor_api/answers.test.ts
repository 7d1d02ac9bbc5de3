// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import { idsHtml, idsText, indexHtml, indexText } from "./answers.ts";

const ONE = sandboxStatus("b1", { pod: { uid: "u", namespace: "shop", name: "web-1" } });
const OTHER = sandboxStatus("a2", { directory: "/run/kata/a2" });

test("ids are listed one a line, in order, and once where two roots have them", () => {
  assert.equal(idsText([]), "");
  assert.equal(idsText([ONE, OTHER, { ...ONE, directory: "/run/kata/b1" }]), "a2\nb1\n");
});

test("HTML names the pods of the ids, and links to what can be asked of them", () => {
  const html = idsHtml([ONE, OTHER]);
  assert.match(html, /<li><code class="id">a2<\/code>: <a href="\/metrics\?sandbox=a2">/);
  assert.match(html, /<b>shop\/web-1<\/b> <code class="id">b1<\/code>: .*<a href="\/agent-url\?sandbox=b1">/);
});

test("the index names every endpoint, and none of those that change a sandbox", () => {
  for (const text of [indexText(), indexHtml()]) {
    for (const path of ["/metrics", "/sandboxes", "/sandboxes?verbose", "/agent-url"])
      assert.ok(text.includes(path), path);
    for (const path of ["debug", "iptables", "policy", "direct-volume"])
      assert.ok(!text.includes(path), path);
  }
});
