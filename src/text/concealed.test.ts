// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConcealedTexts } from "./concealed.ts";

function check(values: Readonly<Record<string, string>>, text: string, want: string): void {
  const concealed = new ConcealedTexts();
  for (const [name, value] of Object.entries(values)) concealed.add(value, `\${env:${name}}`);
  assert.equal(concealed.conceal(text), want);
}

test("a value is replaced by its name wherever it is, the longest first", () => {
  check({ T: "hunter2" }, 'cannot post to "http://h/hunter2/v1"', 'cannot post to "http://h/${env:T}/v1"');
  check({ T: "hunter2", U: "hunter2-long" }, "hunter2-long hunter2", "${env:U} ${env:T}");
  check({ T: "a$b.c*d" }, "x a$b.c*d y", "x ${env:T} y");
  check({}, "hunter2", "hunter2");
});

test("a value is found in the spellings of URLs and JSON", () => {
  check({ T: 'pass "word"/ä' }, "GET /pass%20%22word%22%2F%C3%A4", "GET /${env:T}");
  check({ T: 'pass "word"' }, JSON.stringify({ a: 'pass "word"' }), '{"a":"${env:T}"}');
});

test("the parts of a URL are found too", () => {
  const values = { URL: "https://user5:pass55@push.example:4318/tok3nx/v1?key=abcdef" };
  check(values, "getaddrinfo ENOTFOUND push.example", "getaddrinfo ENOTFOUND ${env:URL}");
  check(values, "connect push.example:4318", "connect ${env:URL}");
  check(values, "404 at /tok3nx/v1", "404 at ${env:URL}");
  check(values, "pass55 abcdef", "${env:URL} ${env:URL}");
  check(
    { A: "10.0.0.12:4317" },
    "connect ECONNREFUSED 10.0.0.12:4317, 10.0.0.12",
    "connect ECONNREFUSED ${env:A}, ${env:A}",
  );
});

test("the texts of a list and the lines of a file are found one by one", () => {
  check({ L: "first1, second2" }, "second2", "${env:L}");
  check({ K: "-----BEGIN KEY-----\nabcdefgh\n" }, "bad line abcdefgh", "bad line ${env:K}");
});

test("short values are not replaced, and values as short as words are replaced as whole words only", () => {
  check({ T: "kata" }, "kata", "kata");
  check({ T: "metrics" }, "kata_metrics_total metrics", "kata_metrics_total ${env:T}");
  check({ T: "0123456789abcdef" }, "x0123456789abcdefx", "x${env:T}x");
  check({ T: "http://localhost:4318" }, "localhost 127.0.0.1", "localhost 127.0.0.1");
});

test("the newest values are replaced, however many there were, and a long file does not push others out", () => {
  const all = new ConcealedTexts();
  all.add("in-use", "${env:A}");
  for (let index = 0; index < 5_000; index++) {
    all.add(`value-${index}`, "${env:B}");
    if (index % 1_000 === 0) all.add("in-use", "${env:A}");
  }
  assert.equal(all.conceal("in-use value-4999 value-1"), "${env:A} ${env:B} value-1");
  all.add(Array.from({ length: 50_000 }, (_, index) => `line-${index}`).join("\n"), "${file:long}");
  assert.equal(all.conceal("in-use value-4999 line-5"), "${env:A} ${env:B} ${file:long}");
});

test("texts of earlier configurations stay concealed when others are added", () => {
  const all = new ConcealedTexts();
  const next = new ConcealedTexts();
  all.add("before1", "${env:A}");
  next.add("after22", "${env:B}");
  next.add("before1", "${env:C}");
  all.addAll(next);
  assert.equal(all.conceal("before1 after22"), "${env:A} ${env:B}");
});
