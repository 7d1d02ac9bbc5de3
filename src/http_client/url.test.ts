// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type PushUrl, parsePushUrl, underUrl } from "./url.ts";

function check(text: string, want: Partial<PushUrl> | RegExp): void {
  const url = parsePushUrl(text);
  if (want instanceof RegExp) assert.match(String(url), want, text);
  else assert.partialDeepStrictEqual(url, want, text);
}

test("http and https URLs have a host, a port, a path and a query", () => {
  check("http://otel:4318", { isTls: false, host: "otel", port: 4318, path: "/", query: "" });
  check("https://otel", { isTls: true, host: "otel", port: 443 });
  check("http://otel", { port: 80 });
  check("HTTP://otel", { port: 80 });
  check("http://[::1]:8080/a?b=c", { host: "::1", port: 8080, path: "/a", query: "?b=c" });
});

test("a unix socket has a path in the file system and none in HTTP", () => {
  check("unix:///run/otel.sock", { isTls: false, host: "localhost", path: "", socketPath: "/run/otel.sock" });
  check("unix:/run/otel.sock", { socketPath: "/run/otel.sock" });
  check(`unix:///${"a".repeat(107)}`, /107 bytes/);
});

test("any other URL is refused, and so are credentials", () => {
  for (const text of ["", "otel:4318", "http://", "http:///a", "ftp://a", "unix://a", "unix:///"])
    check(text, /^must be "http:/);
  check("http://otel:99999", /^must be "http:/);
  check("http://me:secret@otel", /^must not hold a user/);
});

test("a path goes under a URL's own, in front of its query", () => {
  const join = (text: string): string => {
    const url = parsePushUrl(text);
    assert.ok(typeof url !== "string");
    const { path, query } = underUrl(url, "/v1/metrics");
    return path + query;
  };
  assert.equal(join("http://otel"), "/v1/metrics");
  assert.equal(join("http://otel/"), "/v1/metrics");
  assert.equal(join("http://otel/otlp"), "/otlp/v1/metrics");
  assert.equal(join("http://otel/otlp/?a=b"), "/otlp/v1/metrics?a=b");
  assert.equal(join("unix:///run/otel.sock"), "/v1/metrics");
});
