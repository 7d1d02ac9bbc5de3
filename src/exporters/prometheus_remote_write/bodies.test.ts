// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { uncompress } from "snappyjs";
import { decodeSnappy } from "../../../test/kit/oracle/snappy.ts";
import { type Body, bodiesOf } from "./bodies.ts";
import { Outline } from "./outline.ts";
import type { MessageVersion } from "./record.ts";
import { compileTemplate } from "./template.ts";

/** A request that says this text, as the queue keeps it. */
function request(text: string, version: MessageVersion = 1): Uint8Array {
  const outline = new Outline();
  outline.raw(Buffer.from(text));
  return compileTemplate({ outline, version, samples: text.length, points: 0 }).record;
}

/** A request of two series of one byte each, as earlier builds kept it. */
const OLD = Uint8Array.of(0x0a, 1, 0x41, 0x0a, 1, 0x42);
const OLD_TEXT = Buffer.from(OLD).toString();

const textOf = (body: Body | undefined): string => {
  if (body === undefined) return "unknown";
  const text = Buffer.from(decodeSnappy(body.bytes)).toString();
  assert.equal(Buffer.from(uncompress(new Uint8Array(body.bytes))).toString(), text);
  return `${body.version}: ${text}`;
};

/** The texts of the bodies, with their versions. */
function check(records: readonly Uint8Array[], want: readonly string[], bytesMax = 1_000): void {
  assert.deepEqual([...bodiesOf(records, bytesMax)].map(textOf), want);
}

test("requests of 1.0 are joined to one body, those of 2.0 are not", () => {
  check([], []);
  check([request("aaaaaaaaa")], ["1: aaaaaaaaa"]);
  check([request("ab"), request("cd"), request("ef")], ["1: abcdef"]);
  check([request("ab", 2), request("cd", 2)], ["2: ab", "2: cd"]);
  check([request("ab"), request("cd", 2), request("ef"), request("gh")], ["1: ab", "2: cd", "1: efgh"]);
});

test("a body stays under its limit, unless a single request is larger", () => {
  const parts = ["aaaa", "bbbb", "cccc", "d".repeat(20), "e"].map((text) => request(text));
  check(parts, ["1: aaaabbbb", "1: cccc", `1: ${"d".repeat(20)}`, "1: e"], 8);
});

test("requests that earlier builds kept uncompressed are delivered too", () => {
  check([OLD], [`1: ${OLD_TEXT}`]);
  check([OLD, request("ab"), OLD], [`1: ${OLD_TEXT}ab${OLD_TEXT}`]);
});

test("a request of an unknown format is reported, after the requests before it", () => {
  const later = request("xy");
  later[1] = 3;
  check([request("ab"), later, request("cd")], ["1: ab", "unknown"]);
  check([Uint8Array.of(7, 7)], ["unknown"]);
  check([Uint8Array.of(0, 1)], ["unknown"]);
  check([new Uint8Array()], ["unknown"]);
});

test("a body has the number of its samples, and its records", () => {
  const records = [request("ab"), request("cde")];
  const [body] = bodiesOf(records, 1_000);
  assert.equal(body?.samples, 5);
  assert.deepEqual(body?.records, records);
});
