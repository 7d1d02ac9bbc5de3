// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { test } from "node:test";
import { codeName, readStatus, resetName, statusOfHttp } from "./status.ts";

test("a status is read from trailers", () => {
  const check = (headers: IncomingHttpHeaders, want: object | undefined): void =>
    assert.deepEqual(readStatus(headers), want);
  const plain = { details: "", statusDetails: undefined };
  check({ "grpc-status": "0" }, { ...plain, code: 0 });
  check(
    { "grpc-status": "14", "grpc-message": "not%20now: 100%25 %C3%A9" },
    { ...plain, code: 14, details: "not now: 100% é" },
  );
  check({ "grpc-status": "14", "grpc-message": "100% full" }, { ...plain, code: 14, details: "100% full" });
  const statusDetails = Buffer.from("abc");
  check({ "grpc-status": "8", "grpc-status-details-bin": "YWJj" }, { ...plain, code: 8, statusDetails });
  check({}, undefined);
  check({ "grpc-status": "fine" }, undefined);
});

test("an answer of HTTP alone has the code that gRPC gives it", () => {
  const check = (status: number, want: string): void => {
    const failure = statusOfHttp({ ":status": String(status), "content-type": "text/html" }, 0);
    assert.equal(codeName(failure.code), want);
    assert.equal(failure.httpStatus, status);
    assert.equal(failure.details, `the answer is not of gRPC: HTTP status ${status}, text/html`);
  };
  check(401, "UNAUTHENTICATED");
  check(404, "UNIMPLEMENTED");
  check(503, "UNAVAILABLE");
  check(200, "UNKNOWN");
});

test("an answer of gRPC that breaks off before its status is of a server in trouble", () => {
  const check = (type: string, want: string): void =>
    assert.equal(codeName(statusOfHttp({ ":status": "200", "content-type": type }, 0).code), want);
  const broken = { code: 14, details: "the server ended its answer without a status" };
  assert.deepEqual(statusOfHttp({ ":status": "200", "content-type": "application/grpc" }, 0), broken);
  check("application/grpc+proto", "UNAVAILABLE");
  check("application/grpc; charset=utf-8", "UNAVAILABLE");
  check("application/grpc-web", "UNKNOWN");
});

test("Retry-After of a proxy is used", () => {
  const delayMs = (headers: IncomingHttpHeaders): number | undefined => statusOfHttp(headers, 0).delayMs;
  assert.equal(delayMs({ ":status": "503", "retry-after": "600" }), 600_000);
  assert.equal(delayMs({ ":status": "429", "retry-after": "Thu, 01 Jan 1970 00:00:07 GMT" }), 7_000);
  assert.equal(delayMs({ ":status": "503" }), undefined);
});

test("numbers have names", () => {
  assert.equal(codeName(14), "UNAVAILABLE");
  assert.equal(codeName(99), "UNKNOWN");
  assert.equal(resetName(7), "REFUSED_STREAM");
  assert.equal(resetName(0xb), "ENHANCE_YOUR_CALM");
  assert.equal(resetName(99), "code 99");
});
