import assert from "node:assert/strict";
import { test } from "node:test";
import { remoteWriteProtocol } from "./protocol.ts";

test("an answer is a remote write receiver's unless it is a web page", () => {
  const answer = { status: 200, body: Buffer.alloc(0), isComplete: true, retryAfter: "", location: "" };
  for (const contentType of ["", "text/plain", "application/json"])
    assert.ok(remoteWriteProtocol.isOwn({ ...answer, contentType }), contentType);
  assert.ok(!remoteWriteProtocol.isOwn({ ...answer, contentType: "text/html" }));
});

test("the reason is the body's text", () => {
  const check = (contentType: string, body: string, want: string): void => {
    const answer = { status: 400, contentType, isComplete: true, retryAfter: "", location: "" };
    assert.equal(remoteWriteProtocol.reasonOf({ ...answer, body: Buffer.from(body) }), want);
  };
  check("text/plain", "out of order sample\n", "out of order sample");
  check("", "no such tenant", "no such tenant");
  check("text/html", "<html>", "");
});
