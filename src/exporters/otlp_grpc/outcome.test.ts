// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { test } from "node:test";
import { statusOfHttp } from "../../grpc_client/status.ts";
import type { Failure } from "../../peer/answer.ts";
import { answerOfFailure } from "./outcome.ts";

test("an answer of HTTP means what it means to otlp_http, and its Retry-After is heard", () => {
  const check = (headers: IncomingHttpHeaders, want: Omit<Failure, "error">): void => {
    const { error, ...answer } = answerOfFailure(statusOfHttp(headers, 0), "otel.test:4317");
    assert.ok(error.startsWith("otel.test:4317: "), error);
    assert.deepEqual(answer, want);
  };
  const delayed = { kind: "busy", status: "UNAVAILABLE", delayMs: 600_000 } as const;
  check({ ":status": "503", "retry-after": "600" }, delayed);
  check({ ":status": "429", "retry-after": "600" }, delayed);
  check({ ":status": "503" }, { kind: "busy", status: "UNAVAILABLE" });
  check({ ":status": "413" }, { kind: "split", status: "UNKNOWN" });
  check({ ":status": "200", "content-type": "text/html" }, { kind: "hold", status: "UNKNOWN" });
  check({ ":status": "200", "content-type": "application/grpc" }, { kind: "busy", status: "UNAVAILABLE" });
});
