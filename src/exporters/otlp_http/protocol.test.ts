// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import type { PushAnswer } from "../../http_client/answer.ts";
import { StatusSchema } from "../../otlp/generated/google/rpc/status_pb.ts";
import { otlpHttpProtocol } from "./protocol.ts";

const protocol = otlpHttpProtocol({});

function answer(contentType: string, body: string | Uint8Array, status = 200): PushAnswer {
  return {
    status,
    contentType,
    body: Buffer.from(body),
    isComplete: true,
    headers: {},
    retryAfter: "",
    location: "",
  };
}

test("an answer is OTLP's where nothing is in it, or a response of OTLP's under its type", () => {
  const check = (contentType: string, body: string | Uint8Array, want: boolean): void =>
    assert.equal(protocol.isOwn(answer(contentType, body)), want, `${contentType} ${body}`);
  for (const type of ["", "text/plain", "application/x-protobuf", "application/octet-stream"])
    check(type, "", true);
  check("text/html", "", false);
  for (const type of ["application/x-protobuf", "application/protobuf"]) {
    check(type, Uint8Array.of(0x0a, 0x02, 0x08, 3), true);
    check(type, "<html></html>", false);
  }
  check("application/json", '{"partialSuccess":{},"new":1}', true);
  for (const body of ['"hello"', '{"error":"unauthorized"}', "<html></html>"])
    check("application/json", body, false);
  for (const type of ["text/html", "text/plain", "application/octet-stream", ""]) check(type, "{}", false);
});

test("an answer that is cut off is nobody's, even where nothing of its body came", () => {
  for (const body of ["", "{}"]) {
    const cut = { ...answer("application/json", body), isComplete: false };
    assert.ok(!protocol.isOwn(cut));
    assert.equal(protocol.whyNotOwn?.(cut), "the answer is cut off, or too long");
  }
});

test("a partial success is read in the encoding that the answer names", () => {
  const json = '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}';
  const three = { rejectedPoints: 3, message: "too old" };
  assert.deepEqual(protocol.accepted(answer("application/json", json)), three);
  const proto = Uint8Array.of(0x0a, 0x05, 0x08, 3, 0x12, 1, 0x61);
  assert.deepEqual(protocol.accepted(answer("application/x-protobuf", proto)), {
    rejectedPoints: 3,
    message: "a",
  });
  const all = { rejectedPoints: 0, message: "" };
  assert.deepEqual(protocol.accepted(answer("application/json", "")), all);
});

test("the reason is a status message, or what a gateway says in words", () => {
  const check = (contentType: string, body: string | Uint8Array, want: string): void =>
    assert.equal(protocol.reasonOf(answer(contentType, body, 503)), want);
  const status = toBinary(StatusSchema, create(StatusSchema, { code: 14, message: "queue\nis full" }));
  check("application/x-protobuf", status, "queue is full");
  check("application/x-protobuf", "hello there", "");
  check("application/json", '{"code":14,"message":"queue is full"}', "queue is full");
  check("application/json", '{"error":"queue is full"}', '{"error":"queue is full"}');
  check("text/plain", "no healthy\nupstream", "no healthy upstream");
  check("", "no such tenant\n", "no such tenant");
  check("", "\n<!doctype html>", "");
  check("text/html", "<html>", "");
});
