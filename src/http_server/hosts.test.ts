// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOST_PATTERN, hostOf, hostRule, type Reach } from "./hosts.ts";

test("a host that could be read in two ways is none", () => {
  const check = (authority: string, want: string | undefined): void =>
    assert.equal(hostOf(authority), want, authority);
  check("node-1", "node-1");
  check("Node-1.Example.:8090", "node-1.example");
  check("10.0.0.1:8090", "10.0.0.1");
  check("[::1]:8090", "::1");
  check("[fe80::1]", "fe80::1");
  for (const text of [
    "",
    ":80",
    "a b",
    "a:b",
    "a:80:80",
    "::1",
    "[a]",
    "[::1",
    "a@b",
    "a/b",
    "a,b",
    "ä",
    "a%",
    "a\0b",
  ])
    check(text, undefined);
});

const READ = { reach: "network", reads: true } as const;
const CHANGES: readonly Reach[] = ["loopback", "network"];

test("without allowed_hosts, a web page under a foreign name can neither read over loopback nor change anything", () => {
  const answers = hostRule(undefined, ["node-1.example.com"]);
  for (const host of ["10.0.0.1", "::1", "localhost", "a.localhost", "node-1", "node-1.example.com"])
    for (const reach of CHANGES) assert.ok(answers(host, { reach, reads: false }), host);
  for (const host of [
    "agent.monitoring.svc",
    "agent.monitoring.svc.cluster.local",
    "ip-10-0-0-1.ec2.internal",
  ])
    assert.ok(answers(host, { reach: "loopback", reads: false }), host);
  for (const host of [
    "evil.example",
    "localhost.evil.example",
    "10.0.0.1.evil.example",
    "svc.evil.example",
    "1.2.3",
  ]) {
    for (const reach of CHANGES) assert.ok(!answers(host, { reach, reads: false }), host);
    assert.ok(!answers(host, { reach: "loopback", reads: true }), host);
    assert.ok(answers(host, READ), "a Prometheus knows the node by any name");
    assert.ok(answers(host, { reach: "unix", reads: false }), "no browser gets there");
  }
});

test("allowed_hosts are answered in addition to addresses and loopback names", () => {
  const check = (allowed: readonly string[], host: string, want: boolean): void =>
    assert.equal(hostRule(allowed, [])(host, READ), want, `${host} by ${allowed}`);
  check(["Metrics.Example."], "metrics.example", true);
  check(["metrics.example"], "other.metrics.example", false);
  check(["metrics.example"], "node-1", false);
  check(["*.example"], "metrics.example", true);
  check(["*.example"], "a.metrics.example", true);
  check(["*.example"], "example", false);
  check(["*.example"], "evilexample", false);
  check(["*"], "evil.example", true);
  for (const host of ["10.0.0.1", "::1", "localhost"]) check([], host, true);
  check([], "metrics.example", false);
});

test("a pattern is a name, or what is below one", () => {
  for (const text of ["*", "a", "a.b", "*.a.b", "A_b-1.c."]) assert.match(text, HOST_PATTERN);
  for (const text of ["", "a:80", "http://a", "*a", "a.*", "**", ".a", "a..b", "[::1]"])
    assert.doesNotMatch(text, HOST_PATTERN);
});
