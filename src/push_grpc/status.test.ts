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
    const failure = statusOfHttp({ ":status": String(status), "content-type": "text/html" });
    assert.equal(codeName(failure.code), want);
    assert.equal(failure.httpStatus, status);
    assert.equal(failure.details, `the answer is not of gRPC: HTTP status ${status}, text/html`);
  };
  check(401, "UNAUTHENTICATED");
  check(404, "UNIMPLEMENTED");
  check(503, "UNAVAILABLE");
  check(200, "UNKNOWN");
});

test("numbers have names", () => {
  assert.equal(codeName(14), "UNAVAILABLE");
  assert.equal(codeName(99), "UNKNOWN");
  assert.equal(resetName(7), "REFUSED_STREAM");
  assert.equal(resetName(0xb), "ENHANCE_YOUR_CALM");
  assert.equal(resetName(99), "code 99");
});
