// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { kataOptions, loadFake, refused, SERVICE, withOptions } from "./fake_catalog.ts";
import { renderFaults } from "./fault.ts";

/** The one fault of a receiver with these options, which begin in column 20 of line 1. */
function check(options: string, want: string): Promise<void> {
  return refused(withOptions(options), `f:1:${want}`);
}

test("all faults are reported at once, each with its place", async () => {
  const text = [
    "receivers:",
    "  kata:",
    "    intervall: 15s",
    "    interval: 0s",
    "    count: 0",
    '    mode: "detaild"',
    "    list: 3",
    "exporters:",
    "  out:",
    "    tls: {insecure: maybe}",
    "servce: {}",
    "service:",
    "  telemetry: {logs: {levle: info}}",
    "  pipelines:",
    "    metrics: {receivers: [kat], exporters: [out]}",
  ].join("\n");
  await refused(
    { files: { "a.yaml": text } },
    'a.yaml:3:5: receivers::kata: unknown key "intervall"; did you mean "interval"?',
    'a.yaml:4:15: receivers::kata::interval: must be at least 1s, got "0s"',
    "a.yaml:5:12: receivers::kata::count: must be at least 1, got 0",
    'a.yaml:6:11: receivers::kata::mode: must be one of "basic", "normal", "detailed", got "detaild"; did you mean "detailed"?',
    "a.yaml:7:11: receivers::kata::list: must be a list, got 3",
    'a.yaml:10:21: exporters::out::tls::insecure: must be true or false, got "maybe"',
    'a.yaml:11:1: unknown key "servce"; did you mean "service"?',
    'a.yaml:13:22: service::telemetry::logs: unknown key "levle"; did you mean "level"?',
    'a.yaml:15:27: service::pipelines::metrics::receivers::0: references receiver "kat" which is not configured; did you mean "kata"?',
  );
});

test("a fault says what was wanted and what was got", async () => {
  await check("count: 1.5", "27: receivers::kata::count: must be a whole number, got 1.5");
  await check("count: '5'", '27: receivers::kata::count: must be a number, got "5"');
  await check("ratio: 2", "27: receivers::kata::ratio: must be at most 1, got 2");
  await check("name: 5", "26: receivers::kata::name: must be a text, got 5");
  await check("name: {a: 1}", "20: receivers::kata::name: must be a text, got a map");
  await check("list: [a, 1]", "30: receivers::kata::list::1: must be a text, got 1");
  await check("list: [~]", "27: receivers::kata::list::0: must be a text, got null");
  await check("tls: [a]", "20: receivers::kata::tls: must be a map, got a list");
  await check(
    "interval: 15",
    '30: receivers::kata::interval: must be a duration such as "15s" or "1m30s", got 15',
  );
  await check(
    "interval: 1d",
    '30: receivers::kata::interval: must be a duration such as "15s" or "1m30s", got "1d"',
  );
  await check("interval: 1000h", '30: receivers::kata::interval: must be at most 576h, got "1000h"');
  await check(
    "body: 5KB",
    '26: receivers::kata::body: must be a size such as 65536, "64KiB" or "4MiB", got "5KB"',
  );
  await check("body: 0", "26: receivers::kata::body: must be at least 1 bytes, got 0");
  await check(
    "listen: here",
    '28: receivers::kata::listen: must be "host:port", ":port" or "unix:///path", got "here"',
  );
  await check(
    "listen: 9090",
    '28: receivers::kata::listen: must be "host:port", ":port" or "unix:///path", got 9090',
  );
  await check("gone: 1", "26: receivers::kata::gone: is not supported; write name");
  await check(`name: [${"x".repeat(200)}]`, "20: receivers::kata::name: must be a text, got a list");
  await check(
    `mode: ${"x".repeat(200)}`,
    `26: receivers::kata::mode: must be one of "basic", "normal", "detailed", got "${"x".repeat(79)}…`,
  );
});

test("of several kinds of value, the fault is about the kind that was written", async () => {
  await check("roots: [a]", '28: receivers::kata::roots::0: must be an absolute path, got "a"');
  await check("roots: [{path: a}]", '35: receivers::kata::roots::0::path: must be an absolute path, got "a"');
  await check(
    "roots: [{pat: /a, path: /b}]",
    '29: receivers::kata::roots::0: unknown key "pat"; did you mean "path"?',
  );
  await check("roots: [{runtime: go}]", "28: receivers::kata::roots::0::path: is missing; must be a text");
  await check("roots: [3]", "28: receivers::kata::roots::0: must be a text or a map, got 3");
});

test("a list of texts may be one text with commas", async () => {
  assert.deepEqual((await kataOptions("list: 'a,b'"))["list"], ["a", "b"]);
  assert.deepEqual((await kataOptions("list: ''"))["list"], []);
  await check("roots: '/a,b'", '27: receivers::kata::roots::1: must be an absolute path, got "/a,b"');
});

test("an unknown key is refused even without a value", async () => {
  await check("intervall: ", '20: receivers::kata: unknown key "intervall"; did you mean "interval"?');
  await check("tls: {x: }", '26: receivers::kata::tls: unknown key "x"; the keys are insecure, ca_file');
});

test("keys that every JavaScript object has are keys like others", async () => {
  const keys =
    "interval, name, count, ratio, token, headers, mode, listen, body, list, roots, free, tls, sending_queue, gone";
  await check("constructor: 2", `20: receivers::kata: unknown key "constructor"; the keys are ${keys}`);
});

test("__proto__ is no key anywhere", async () => {
  const text = 'key "__proto__" is not supported; use another name';
  await check("__proto__: 1", `20: receivers::kata: ${text}`);
  await check("headers: {__proto__: x}", `30: receivers::kata::headers: ${text}`);
  await check("free: {a: [{__proto__: x}]}", `32: receivers::kata::free::a::0: ${text}`);
});

test("a map's keys are checked too", async () => {
  await check("headers: {A-B: x}", '30: receivers::kata::headers: must be lower case, got key "A-B"');
});

test("null is a value if the schema takes it", async () => {
  assert.deepEqual((await kataOptions("free: {a: , b: 1}"))["free"], { a: null, b: 1 });
});

/** Checks that the faults of a config name their places but show nothing of its secrets, which all begin with "hunter". */
async function hidden(text: string, ...want: readonly string[]): Promise<void> {
  await refused(text, ...want);
  const loaded = await loadFake(text);
  assert.ok(!loaded.ok);
  assert.doesNotMatch(renderFaults([...loaded.faults, ...loaded.warnings]), /hunter/, text);
}

test("a secret is shown neither in a fault nor in its source line", async () => {
  const at = "f:1:20: receivers::kata";
  await hidden(withOptions("token: [hunter2]"), `${at}::token: must be a text, got [REDACTED]`);
  await hidden(withOptions("nam: x, token: hunter2"), `${at}: unknown key "nam"; did you mean "name"?`);
  await hidden(withOptions("tokem: hunter2"), `${at}: unknown key "tokem"; did you mean "token"?`);
  await hidden(withOptions("headrs: {a: hunter2}"), `${at}: unknown key "headrs"; did you mean "headers"?`);
  await hidden(
    withOptions("mode: 'http://u:hunter2@h'"),
    'f:1:26: receivers::kata::mode: must be one of "basic", "normal", "detailed", got "http://[REDACTED]@h"',
  );
  await hidden(
    withOptions("mode: 'http://h?api_key=hunter2&a=b'"),
    'f:1:26: receivers::kata::mode: must be one of "basic", "normal", "detailed", got "http://h?api_key=[REDACTED]&a=b"',
  );
  await hidden(
    withOptions("headers: a=hunter2"),
    "f:1:29: receivers::kata::headers: must be a map, got [REDACTED]",
  );
  await hidden(
    withOptions("db_password: hunter2"),
    `${at}: unknown key "db_password"; the keys are interval, name, count, ratio, token, headers, mode, listen, body, list, roots, free, tls, sending_queue, gone`,
  );
  await hidden(
    withOptions("headers: {a: [hunter2]}"),
    "f:1:30: receivers::kata::headers::a: must be a text, got [REDACTED]",
  );
  await hidden(
    `receivers: {kata: }\nexporters: {nope: {x: hunter2}, out: }\n${SERVICE}`,
    'f:2:13: exporters::nope: unknown type: "nope" for id: "nope" (valid values: [otlp_grpc out])',
  );
  await hidden(
    `recievers: {kata: {token: hunter2}}\nexporters: {out: }\n${SERVICE}`,
    'f:1:1: unknown key "recievers"; did you mean "receivers"?',
    "f:1:1: no receiver configuration specified in config",
    'f:3:45: service::pipelines::metrics::receivers::0: references receiver "kata" which is not configured',
  );
});

test("a line without a secret is shown", async () => {
  const loaded = await loadFake(
    `receivers:\n  kata:\n    token: hunter2\n    count: x\nexporters: {out: }\n${SERVICE}`,
  );
  assert.ok(!loaded.ok);
  const [head, source, caret] = renderFaults(loaded.faults).split("\n");
  assert.match(head ?? "", /^f:4:12: /);
  assert.equal(source, "        count: x");
  assert.equal(caret, `    ${" ".repeat(11)}^`);
});
