import assert from "node:assert/strict";
import { test } from "node:test";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";

function check(
  text: string,
  target: string | undefined,
  security: Endpoint["security"] = "configured",
): void {
  assert.deepEqual(parseEndpoint(text), target === undefined ? undefined : { target, security }, text);
}

test("the Collector's forms of an endpoint are understood", () => {
  check("otel:4317", "dns:otel:4317");
  check("otel.example.org", "dns:otel.example.org:4317");
  check("10.0.0.1:1234", "dns:10.0.0.1:1234");
  check("[::1]:4317", "dns:[::1]:4317");
  check("[::1]", "dns:[::1]:4317");
  check("dns:///otel:1", "dns:otel:1");
  check("http://otel:4317", "dns:otel:4317", "plain");
  check("http://otel/", "dns:otel:4317", "plain");
  check("https://otel", "dns:otel:4317", "tls");
  check("unix:///run/otel.sock", "unix:/run/otel.sock");
  check("unix:/run/otel.sock", "unix:/run/otel.sock");
});

test("what is no endpoint is none", () => {
  for (const text of ["", ":4317", "otel:port", "otel:70000", "http://", "http://otel/v1/metrics", "a b:1"]) {
    check(text, undefined);
  }
  for (const text of ["unix://", "unix:///", "unix:relative", "ftp://otel:1", "::1:4317", "dns:////otel"]) {
    check(text, undefined);
  }
});
