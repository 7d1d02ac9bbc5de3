// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PushAnswer } from "../../http_client/answer.ts";
import { remoteWriteV1, remoteWriteV2 } from "./protocol.ts";

function answer(said: Partial<Omit<PushAnswer, "body">> & { readonly body?: string }): PushAnswer {
  const body = Buffer.from(said.body ?? "");
  return {
    status: 400,
    contentType: "",
    isComplete: true,
    headers: {},
    retryAfter: "",
    location: "",
    ...said,
    body,
  };
}

const written = (count: string) => ({ "x-prometheus-remote-write-samples-written": count });

test("the reason is the body's text", () => {
  const check = (contentType: string, body: string, want: string): void => {
    for (const { reasonOf } of [remoteWriteV1, remoteWriteV2])
      assert.equal(reasonOf(answer({ contentType, body })), want);
  };
  check("text/plain", "out of order sample\n", "out of order sample");
  check("", "no such tenant", "no such tenant");
  check("text/html", "<html>", "");
});

test("an answer of 2xx is the receiver's, whatever its body, unless it is a web page", () => {
  const check = (said: Parameters<typeof answer>[0], v1: boolean, v2: boolean): void => {
    assert.equal(remoteWriteV1.isOwn(answer({ status: 200, ...said })), v1);
    assert.equal(remoteWriteV2.isOwn(answer({ status: 200, ...said })), v2);
  };
  check({ status: 204, headers: written("7") }, true, true);
  check({ contentType: "text/plain", body: "ok", headers: written("0") }, true, true);
  check({ contentType: "application/json", body: "{}" }, true, false);
  check({ headers: written("many") }, true, false);
  check({ contentType: "text/html", body: "<html>", headers: written("7") }, false, false);
});

test("an answer of 2.0 says how many samples were written", () => {
  const check = (count: string, rejectedPoints: number, message: string): void => {
    const said = answer({ status: 200, headers: written(count), body: "too old" });
    assert.deepEqual(remoteWriteV2.accepted(said, 10), { rejectedPoints, message });
  };
  check("10", 0, "");
  check("7", 3, "too old");
  check("0", 10, "too old");
  check("12", 0, "");
});

test("the reason says which option to set if the receiver may take the other version", () => {
  const unsupported = answer({ status: 415, body: "unsupported media type" });
  assert.equal(
    remoteWriteV2.reasonOf(unsupported),
    "unsupported media type; it may take another version of remote write only: set protobuf_message to prometheus.WriteRequest",
  );
  assert.match(
    remoteWriteV1.reasonOf(unsupported),
    /set protobuf_message to io\.prometheus\.write\.v2\.Request$/,
  );
  assert.match(
    remoteWriteV2.whyNotOwn?.(answer({ status: 204 })) ?? "",
    /^the answer does not say how many samples were written; .* prometheus\.WriteRequest$/,
  );
  assert.equal(remoteWriteV2.whyNotOwn?.(answer({ status: 200, contentType: "text/html" })), undefined);
});
