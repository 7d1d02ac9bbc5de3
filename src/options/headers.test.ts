// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { complete } from "../config/complete.ts";
import { headersOption } from "./headers.ts";

const NAME = z
  .string()
  .regex(/^[a-z-]+$/i, { error: "is no name that a header can have" })
  .refine((name) => name !== "Host", { error: "is not yours" });
const schema = z.strictObject({
  headers: headersOption(NAME).default({}),
});

test("headers are a map, or a list of names and values", () => {
  const check = (headers: unknown, want: object): void =>
    assert.deepEqual(schema.parse({ headers }), { headers: want });
  check(undefined, {});
  check({ Authorization: "Bearer a", "x-b": "c" }, { Authorization: "Bearer a", "x-b": "c" });
  check([{ name: "Authorization", value: "Bearer a" }], { Authorization: "Bearer a" });
  check([], {});
});

test("an invalid header is refused at its place", () => {
  const check = (headers: unknown, want: string): void => {
    const [issue] = schema.safeParse({ headers }).error?.issues ?? [];
    assert.ok(issue !== undefined);
    const { path, message } = innermost(issue);
    assert.equal(`${path.join("::")}: ${message}`, want);
  };
  check([{ name: "a b", value: "c" }], "headers::0::name: is no name that a header can have");
  check([{ name: "Host", value: "c" }], "headers::0::name: is not yours");
  check([{ name: "a", value: "é" }], "headers::0::value: a header's value must be printable ASCII");
  check(
    [
      { name: "a", value: "1" },
      { name: "A", value: "2" },
    ],
    "headers::1::name: comes twice",
  );
  check({ a: "line\nbreak" }, "headers::a: a header's value must be printable ASCII");
});

/** The issue that says most: zod wraps those of a union's members. */
function innermost(issue: z.core.$ZodIssue): {
  readonly path: readonly PropertyKey[];
  readonly message: string;
} {
  if (issue.code !== "invalid_union") return issue;
  const deepest = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)[0];
  assert.ok(deepest !== undefined);
  const { path, message } = innermost(deepest);
  return { path: [...issue.path, ...path], message };
}

test("values are not shown, in either form", () => {
  const shown = (headers: unknown): unknown => complete({ headers }, schema, { unredacted: false });
  assert.deepEqual(shown({ a: "hunter2" }), { headers: { a: "[REDACTED]" } });
  assert.deepEqual(shown([{ name: "a", value: "hunter2" }]), {
    headers: [{ name: "a", value: "[REDACTED]" }],
  });
});
