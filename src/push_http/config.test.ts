import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { httpClientOptions, refusedHttpOptions } from "./config.ts";

const schema = z.strictObject({ ...httpClientOptions, ...refusedHttpOptions });

test("the defaults are the Collector's", () => {
  assert.partialDeepStrictEqual(schema.parse({}), {
    headers: {},
    max_idle_conns: 100,
    max_conns_per_host: 0,
    idle_conn_timeout: 90_000,
    disable_keep_alives: false,
  });
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = schema.safeParse(input).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("headers are names and printable texts, and those that frame the message stay the exporter's", () => {
  check({ headers: { Authorization: "Bearer x", Host: "a", "User-Agent": "b" } }, undefined);
  check({ headers: { "a b": "c" } }, "headers::a b: Invalid key in record");
  check({ headers: { a: "line\nbreak" } }, "headers::a: a header's value must be printable ASCII");
  check({ headers: { "Content-Length": "1" } }, "headers::Content-Length: Invalid key in record");
});

test("what is not supported is refused with the way out", () => {
  check(
    { proxy_url: "http://x" },
    "proxy_url: is not supported; connections go straight to the endpoint, whatever HTTP_PROXY says",
  );
  check({ http2_ping_timeout: "1s" }, "http2_ping_timeout: is not supported; HTTP/1.1 is spoken");
  check({ max_idle_conns: -1 }, "max_idle_conns: Too small: expected number to be >=0");
});

test("headers are secrets", () => {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  assert.equal(JSON.parse(JSON.stringify(json)).properties.headers.additionalProperties.secret, true);
});
