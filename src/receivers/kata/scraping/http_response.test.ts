// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Progress, ResponseReader } from "./http_response.ts";
import { PageBuffer, PageMemory } from "./page_buffer.ts";

const LIMITS = { headerBytesMax: 256, bodyBytesMax: 1_000 };

/** Returns the result of a reply that arrives in pieces of `step` bytes before the sender closes the connection. */
function read(text: string, step: number): { closed: boolean; got: string } {
  const page = new PageBuffer(new PageMemory(10_000_000));
  const reader = new ResponseReader(page, LIMITS);
  const describe = (progress: Progress): string | undefined => {
    if (progress.state === "incomplete") return undefined;
    if (progress.state === "fault") return `${progress.fault}: ${progress.text}`;
    return `${progress.limit ?? (progress.whole ? "whole" : "maybe")}: ${page.bytes.toString("latin1", 0, page.length)}`;
  };
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.subarray(at, at + step);
    // Like a socket, this writes to the front of a larger buffer that holds old bytes.
    const got = describe(reader.push(Buffer.concat([piece, Buffer.from("\n0\r\n\r\n")]), piece.length));
    if (got !== undefined) return { closed: false, got };
  }
  return { closed: true, got: describe(reader.end()) ?? "BUG" };
}

/** Checks that the result is the same in whatever pieces the reply comes. `closed`: it is known only when the connection ends. */
function check(text: string, closed: boolean, want: string): void {
  for (const step of [1, 2, 3, 7, 64, Math.max(1, text.length)])
    assert.deepEqual(read(text, step), { closed, got: want }, `${JSON.stringify(text)} by ${step}`);
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

test("a body is whole by its length, by its last chunk, or perhaps by the connection's end", () => {
  check(`${OK}Content-Length: 3\r\n\r\nabc`, false, "whole: abc");
  check(`${OK}content-length:3\r\n\r\nabcdef`, false, "whole: abc");
  check(`${OK}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, false, "whole: abc");
  check(`${OK}Content-Length: 0\r\n\r\n`, false, "whole: ");
  check(`${CHUNKED}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`, false, "whole: abcde");
  check(`${CHUNKED}00A \r\n0123456789\r\n0;last\r\n\r\n`, false, "whole: 0123456789");
  check(`${CHUNKED}3\r\n\r\n0\r\n0\r\nX-Trailer: 1\r\n\r\n`, false, "whole: \r\n0");
  check(`${CHUNKED}0\r\n\r\n`, false, "whole: ");
  check(`${OK}\r\nabc`, true, "maybe: abc");
  check("HTTP/1.0 200 OK\r\n\r\n", true, "maybe: ");
});

test("a reply that ends too early is never taken for a page", () => {
  check("", true, "truncated: empty reply");
  check("HTTP/1.1 200 OK\r\nConten", true, "truncated: reply ends in its head");
  check(`${OK}Content-Length: 4\r\n\r\nabc`, true, "truncated: reply lacks 1 of its bytes");
  check(`${CHUNKED}3\r\nabc\r\n`, true, "truncated: reply ends before its last chunk");
  check(`${CHUNKED}3\r\nabc\r\n0\r\n`, true, "truncated: reply ends before its last chunk");
  check(`${CHUNKED}5\r\nabc`, true, "truncated: reply ends before its last chunk");
  check(`${CHUNKED}7\r\n0\r\n\r\n`, true, "truncated: reply ends before its last chunk");
});

test("another status than 200, or a reply that is not HTTP/1, is a fault", () => {
  check("HTTP/1.1 404 Not Found\r\n\r\nURL NOT FOUND", false, "status: status 404");
  check("HTTP/1.1 500 Internal Server Error\r\n\r\n", false, "status: status 500");
  check("HTTP/1.1 100 Continue\r\n\r\n", false, "status: status 100");
  check("SSH-2.0-x\r\n\r\n", false, "malformed: reply is not HTTP/1");
  check("HTTP/2 200\r\n\r\n", false, "malformed: reply is not HTTP/1");
});

test("framing that a lenient reader might guess at is a fault", () => {
  check(`${OK}Content-Length: -1\r\n\r\n`, false, "malformed: reply has no legal content length");
  check(
    `${OK}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`,
    false,
    "malformed: reply has no legal content length",
  );
  check(
    `${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`,
    false,
    "malformed: reply has a length and chunks",
  );
  check(`${OK}Transfer-Encoding: gzip\r\n\r\n`, false, "malformed: reply has an unknown transfer encoding");
  check(
    `${OK}Content-Encoding: gzip\r\n\r\n`,
    false,
    "malformed: reply is compressed, which was not asked for",
  );
  for (const size of ["xyz", "", "-1", "+3", "0x3", "123456789"])
    check(`${CHUNKED}${size}\r\nabc\r\n0\r\n\r\n`, false, "malformed: chunk without a legal length");
  check(`${CHUNKED}3\nabc\r\n0\r\n\r\n`, false, "malformed: chunk without a legal length");
  check(`${CHUNKED}2\r\nabc\r\n0\r\n\r\n`, false, "malformed: chunk longer than its length");
});

test("a body is received whole and kept up to the limit", () => {
  const all = "x".repeat(1_000);
  check(`${OK}Content-Length: 1000\r\n\r\n${all}`, false, `whole: ${all}`);
  check(`${OK}Content-Length: 1001\r\n\r\n${all}y`, false, `body_bytes: ${all}`);
  check(`${OK}Content-Length: 5000\r\n\r\n${all}`, true, "truncated: reply lacks 4000 of its bytes");
  check(`${CHUNKED}3e9\r\n${all}y\r\n0\r\n\r\n`, false, `body_bytes: ${all}`);
  check(`${CHUNKED}3e8\r\n${all}\r\n2\r\nyz\r\n0\r\n\r\n`, false, `body_bytes: ${all}`);
  check(`${CHUNKED}3e8\r\n${all}\r\n0\r\n\r\n`, false, `whole: ${all}`);
  check(`${OK}\r\n${all}y`, true, `body_bytes: ${all}`);
  check(`${OK}\r\n${all}`, true, `maybe: ${all}`);
});

test("a reply such as no shim sends is refused before its bytes are kept", () => {
  const tooBig = "too_big: page has more than 16777216 bytes";
  check(`${OK}Content-Length: 16777217\r\n\r\n`, false, tooBig);
  check(`${CHUNKED}1000001\r\n`, false, tooBig);
  check(`${CHUNKED}1\r\nx\r\n1000000\r\n`, false, tooBig);
  check(
    `${OK}${"x".repeat(400)}`,
    false,
    "too_big: head has more than 256 bytes; raise limits::header_bytes",
  );
  for (const endless of [`1;${"x".repeat(5_000)}`, `0\r\n${"x: y\r\n".repeat(1_000)}`])
    check(`${CHUNKED}${endless}`, false, "malformed: chunk without a legal length");
  check(`${CHUNKED}${"1\r\nx\r\n".repeat(30_000)}`, false, "malformed: reply of too many small chunks");
});

test("an endless body is dropped as it comes, and broken off in the end", () => {
  const page = new PageBuffer(new PageMemory(10_000_000));
  const reader = new ResponseReader(page, LIMITS);
  const piece = Buffer.alloc(65_536, "x");
  reader.push(Buffer.from(`${OK}\r\n`), OK.length + 2);
  let pieces = 0;
  let progress: Progress;
  do {
    progress = reader.push(piece, piece.length);
    pieces++;
    assert.ok(page.bytes.length <= 300_000, "what is dropped takes no memory");
  } while (progress.state === "incomplete");
  assert.equal(progress.state === "fault" && progress.fault, "too_big");
  assert.equal(pieces, 257);
});

test("a body is the same in whatever chunks it comes", () => {
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 20 });
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 100 }), (chunks, step) => {
      const body = chunks.map((part) => Buffer.from(part).toString("latin1"));
      const framed = body.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
      const { got } = read(`${CHUNKED}${framed.join("")}0\r\n\r\n`, step);
      assert.equal(got, `whole: ${body.join("")}`);
    }),
  );
});
