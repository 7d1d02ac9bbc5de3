import assert from "node:assert/strict";
import { test } from "node:test";
import { remoteWriteProtocol } from "./protocol.ts";

test("a server in trouble is asked again, any other refusal holds", () => {
  for (const status of [429, 500, 502, 503, 504])
    assert.ok(remoteWriteProtocol.isRetryable(status), String(status));
  for (const status of [400, 401, 403, 404, 408, 413, 415])
    assert.ok(!remoteWriteProtocol.isRetryable(status), String(status));
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
