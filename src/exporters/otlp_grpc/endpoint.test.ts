// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Endpoint, hasPath, parseEndpoint } from "./endpoint.ts";

function check(
  text: string,
  place: Endpoint["place"] | undefined,
  security: Endpoint["security"] = "configured",
): void {
  assert.deepEqual(parseEndpoint(text), place === undefined ? undefined : { place, security }, text);
}

test("all forms of the Collector's endpoints are parsed", () => {
  check("otel:4317", { host: "otel", port: 4317 });
  check("otel.example.org", { host: "otel.example.org", port: 4317 });
  check("10.0.0.1:1234", { host: "10.0.0.1", port: 1234 });
  check("[::1]:4317", { host: "::1", port: 4317 });
  check("[::1]", { host: "::1", port: 4317 });
  check("dns:///otel:1", { host: "otel", port: 1 });
  check("http://otel:4317", { host: "otel", port: 4317 }, "plain");
  check("http://otel/", { host: "otel", port: 4317 }, "plain");
  check("https://otel", { host: "otel", port: 4317 }, "tls");
  check("unix:///run/otel.sock", { path: "/run/otel.sock" });
  check("unix:/run/otel.sock", { path: "/run/otel.sock" });
});

test("other texts are no endpoints", () => {
  for (const text of ["", ":4317", "otel:port", "otel:70000", "http://", "http://otel/v1/metrics", "a b:1"]) {
    check(text, undefined);
  }
  for (const text of ["unix://", "unix:///", "unix:relative", "ftp://otel:1", "::1:4317", "dns:////otel"]) {
    check(text, undefined);
  }
});

test("a path behind an endpoint is recognized", () => {
  for (const text of ["http://otel/v1/metrics", "otel:4317/x"]) assert.equal(hasPath(text), true, text);
  for (const text of ["http://otel/", "otel:4317", "a b/x", "/x", "unix:///x"])
    assert.equal(hasPath(text), false, text);
});
