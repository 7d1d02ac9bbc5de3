// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { isExcepted, isLoopback } from "./no_proxy.ts";

test("NO_PROXY excepts what Go's clients except", () => {
  const check = (noProxy: string, host: string, want: boolean, port = 4317): void =>
    assert.equal(isExcepted({ host, port }, noProxy), want, `${noProxy} for ${host}:${port}`);
  check("", "otel.example", false);
  check("*", "otel.example", true);
  check("example.com", "example.com", true);
  check("example.com", "otel.example.com", true);
  check("example.com", "notexample.com", false);
  check(".example.com", "otel.example.com", true);
  check(".example.com", "example.com", false);
  check("*.example.com", "otel.example.com", true);
  check("*.example.com", "example.com", false);
  check("EXAMPLE.com", "Otel.Example.COM.", true);
  check("other.org, example.com ,third", "example.com", true);
  check("other.org example.com", "example.com", true);
  check("svc", "gateway.monitoring.svc", true);
  check("example.com:4317", "example.com", true);
  check("example.com:4318", "example.com", false);
  check("10.1.2.3", "10.1.2.3", true);
  check("10.1.2.3:4317", "10.1.2.3", true);
  check("10.1.2.3:4318", "10.1.2.3", false);
  check("10.0.0.0/8", "10.200.0.1", true);
  check("10.0.0.0/8", "11.0.0.1", false);
  check("10.0.0.0/8", "ten.example", false);
  check("fd00::/8", "fd12::1", true);
  check("fd00::/8", "fe80::1", false);
  check("2001:db8::1", "2001:0db8:0::1", true);
  check("[2001:db8::1]:4317", "2001:db8::1", true);
  check("[2001:db8::1]:4318", "2001:db8::1", false);
  check("10.0.0.0/8", "::ffff:10.1.1.1", true);
});

test("invalid entries except nothing", () => {
  for (const entry of [".", ",,", "10.0.0.0/99", "10.0.0.0/", "/8", "10.0.0/8", "2", "2.3", "[", "::::"])
    assert.equal(isExcepted({ host: "10.1.2.3", port: 1 }, entry), false, entry);
});

test("loopback addresses and names are recognized", () => {
  for (const host of ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1"])
    assert.equal(isLoopback(host), true, host);
  for (const host of ["localhost.example", "128.0.0.1", "::2", "otel.example"])
    assert.equal(isLoopback(host), false, host);
});
