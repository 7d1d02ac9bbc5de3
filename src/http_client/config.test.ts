// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { faultsOf } from "../../test/kit/component/config_faults.ts";
import { httpClientOptions, refusedHttpOptions, toHttpClientConfig } from "./config.ts";

const schema = z.strictObject({ ...httpClientOptions, ...refusedHttpOptions });

test("the defaults are the Collector's", () => {
  assert.partialDeepStrictEqual(toHttpClientConfig(schema.parse({})), {
    headers: {},
    idleConnectionsMax: 100,
    connectionsMax: Number.POSITIVE_INFINITY,
    idleTimeoutMs: 90_000,
    keepAlives: true,
  });
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  assert.equal(faultsOf(schema, input)[0], wanted);
}

test("headers are names and printable texts, and those that frame the message stay the exporter's", () => {
  check({ headers: { Authorization: "Bearer x", Host: "a", "User-Agent": "b" } }, undefined);
  check({ headers: { "a b": "c" } }, 'headers: is no name that a header can have, got key "a b"');
  check({ headers: { a: "line\nbreak" } }, "headers::a: a header's value must be printable ASCII");
  check(
    { headers: { "Content-Length": "1" } },
    'headers: is a header that the exporter itself decides about, got key "Content-Length"',
  );
});

test("what is not supported is refused with the way out", () => {
  check({ proxy_url: "none" }, undefined);
  check(
    { proxy_url: "socks5://me:hunter2@proxy:1080" },
    'proxy_url: must begin with "http://" or "https://"; socks5 proxies are not supported, got "socks5://[REDACTED]@proxy:1080"',
  );
  check({ http2_ping_timeout: "1s" }, "http2_ping_timeout: is not supported; HTTP/1.1 is spoken");
  check({ max_idle_conns: -1 }, "max_idle_conns: must be at least 0, got -1");
});

test("headers are secrets", () => {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  assert.equal(
    JSON.parse(JSON.stringify(json)).properties.headers.anyOf[0].additionalProperties.secret,
    true,
  );
});
