import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseResponse } from "./http_response.ts";

/** What comes of the text once the connection is closed: the body, or the fault; "?" before it is closed. */
function check(text: string, ended: boolean, want: string): void {
  const bytes = Buffer.from(text, "latin1");
  const parsed = parseResponse(bytes, bytes.length, ended);
  const got =
    parsed.state === "body"
      ? `${parsed.whole ? "whole" : "maybe"}:${bytes.toString("latin1", parsed.start, parsed.start + parsed.length)}`
      : parsed.state === "fault"
        ? `${parsed.fault}:${parsed.text}`
        : "?";
  assert.equal(got, want, JSON.stringify(text));
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

test("a body is whole by its length, by its last chunk, or perhaps by the connection's end", () => {
  check(`${OK}Content-Length: 3\r\n\r\nabc`, false, "whole:abc");
  check(`${OK}content-length:3\r\n\r\nabcdef`, false, "whole:abc");
  check(`${OK}Content-Length: 0\r\n\r\n`, false, "whole:");
  check(`${CHUNKED}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`, false, "whole:abcde");
  check(`${CHUNKED}0\r\n\r\n`, false, "whole:");
  check(`${OK}\r\nabc`, true, "maybe:abc");
  check("HTTP/1.0 200 OK\r\n\r\n", true, "maybe:");
});

test("what is not there yet is waited for", () => {
  check("", false, "?");
  check("HTTP/1.1 200 OK\r\nContent-", false, "?");
  check(`${OK}Content-Length: 4\r\n\r\nabc`, false, "?");
  check(`${CHUNKED}3\r\nabc`, false, "?");
  check(`${CHUNKED}7\r\n0\r\n\r\n`, false, "?");
  check(`${OK}\r\nabc`, false, "?");
});

test("a reply that ends too early is never taken for a page", () => {
  check("", true, "truncated:empty reply");
  check("HTTP/1.1 200 OK\r\nConten", true, "truncated:reply ends in its head");
  check(`${OK}Content-Length: 4\r\n\r\nabc`, true, "truncated:reply ends after 3 of 4 bytes");
  check(`${CHUNKED}3\r\nabc\r\n`, true, "truncated:reply ends within a chunk");
  check(`${CHUNKED}5\r\nabc`, true, "truncated:reply ends within a chunk");
});

test("other statuses and what is no HTTP are faults", () => {
  check("HTTP/1.1 404 Not Found\r\n\r\nURL NOT FOUND", false, "status:status 404");
  check("HTTP/1.1 500 Internal Server Error\r\n\r\n", true, "status:status 500");
  check("SSH-2.0-x\r\n\r\n", false, "malformed:reply is not HTTP/1");
  check("HTTP/2 200\r\n\r\n", false, "malformed:reply is not HTTP/1");
  check(`${OK}Content-Length: -1\r\n\r\n`, false, "malformed:reply has no legal content length");
  check(`${OK}Transfer-Encoding: gzip\r\n\r\n`, false, "malformed:reply has an unknown transfer encoding");
  check(
    `${OK}Content-Encoding: gzip\r\n\r\n`,
    false,
    "malformed:reply is compressed, which we did not ask for",
  );
  check(`${CHUNKED}xyz\r\nabc\r\n0\r\n\r\n`, false, "malformed:chunk without a legal length");
  check(`${CHUNKED}2\r\nabc\r\n0\r\n\r\n`, false, "malformed:chunk longer than its length");
});

test("a body comes out of any chunks as it went in", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })), (parts) => {
      const chunks = parts.map((part) =>
        Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
      );
      const bytes = Buffer.concat([Buffer.from(CHUNKED), ...chunks, Buffer.from("0\r\n\r\n")]);
      const parsed = parseResponse(bytes, bytes.length, false);
      assert.ok(parsed.state === "body");
      assert.deepEqual(bytes.subarray(parsed.start, parsed.start + parsed.length), Buffer.concat(parts));
    }),
  );
});
