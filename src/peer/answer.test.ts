// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type FailureKind,
  meaningOfGrpc,
  meaningOfHttp,
  type StatusRules,
  saysTooLarge,
  underRules,
} from "./answer.ts";

test("a status of HTTP means what the table of the README says", () => {
  const rows: Readonly<Record<FailureKind, readonly number[]>> = {
    busy: [408, 425, 429, 500, 502, 503, 504, 507, 520, 599],
    split: [400, 413, 422],
    hold: [300, 301, 302, 307, 308, 401, 402, 403, 404, 405, 406, 407, 410, 415, 426, 451, 501, 505],
    drop: [],
  };
  for (const [kind, statuses] of Object.entries(rows))
    for (const status of statuses) assert.equal(meaningOfHttp(status), kind, String(status));
});

test("a status of gRPC means what the table of the README says", () => {
  const rows: Readonly<Record<FailureKind, readonly string[]>> = {
    busy: [
      "UNAVAILABLE",
      "ABORTED",
      "DEADLINE_EXCEEDED",
      "CANCELLED",
      "OUT_OF_RANGE",
      "DATA_LOSS",
      "INTERNAL",
      "UNKNOWN",
    ],
    split: ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED"],
    hold: ["UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "UNIMPLEMENTED"],
    drop: [],
  };
  for (const [kind, statuses] of Object.entries(rows))
    for (const status of statuses) assert.equal(meaningOfGrpc(status, false), kind, status);
  assert.equal(meaningOfGrpc("RESOURCE_EXHAUSTED", true), "busy", "the peer says when to come back");
});

test("peers say in many words that a request is too large", () => {
  const texts = [
    "grpc: received message larger than max (5242880 vs. 4194304)",
    "Received message larger than max (2 vs 1)",
    "Received message that decompresses to a size larger than 1048576",
    "413 Request Entity Too Large",
    "http: request body too large",
    "the request body exceeds the limit",
    "payload too big",
  ];
  for (const text of texts) assert.ok(saysTooLarge(text), text);
  for (const text of ["out of order sample", "no such tenant", "request rate exceeds the limit", ""])
    assert.ok(!saysTooLarge(text), text);
});

test("the user's rules for a status replace the table's", () => {
  const rules: StatusRules = { retryable: new Set(["404"]), dropped: new Set(["500", "NOT_FOUND"]) };
  const check = (kind: FailureKind, status: string, want: FailureKind): void =>
    assert.equal(underRules({ kind, status, error: "" }, rules).kind, want, status);
  check("hold", "404", "busy");
  check("busy", "500", "drop");
  check("hold", "NOT_FOUND", "drop");
  check("hold", "403", "hold");
});
