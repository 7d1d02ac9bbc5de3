// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { complete } from "../../config/complete.ts";
import { factory } from "./factory.ts";
import { rootsSchema } from "./root_config.ts";

/** Each root as "path runtime". */
function check(roots: readonly unknown[], ...want: readonly string[]): void {
  const parsed = rootsSchema.parse(roots);
  assert.deepEqual(
    parsed.map(({ path, runtime }) => `${path} ${runtime}`),
    want,
  );
  const printed = complete(roots, rootsSchema, { unredacted: false });
  assert.deepEqual(printed, parsed, "print-config shows each root's runtime");
  assert.deepEqual(rootsSchema.parse(printed), parsed, "what is printed means the same");
}

test("a root is a path, or a path with its runtime", () => {
  check(["/data/sbs/../x", { path: "/k" }], "/data/x unknown", "/k unknown");
  check(
    [
      { path: "/k2", runtime: "rs" },
      { path: "/k3", runtime: "go" },
    ],
    "/k2 rs",
    "/k3 go",
  );
});

test("a root without a runtime gets the one whose usual path its own ends in", () => {
  check(["/run/vc/sbs", "/run/kata/"], "/run/vc/sbs go", "/run/kata rs");
  check(
    ["/host/vc/sbs", "/host/myvc/sbs", "/host/kata"],
    "/host/vc/sbs go",
    "/host/myvc/sbs unknown",
    "/host/kata unknown",
  );
  check(["/host/run/vc/sbs/", { path: "/host/run/kata" }], "/host/run/vc/sbs go", "/host/run/kata rs");
  check(
    ["/sandboxes/rs", "/sbs", "/kata"],
    ...["/sandboxes/rs", "/sbs", "/kata"].map((path) => `${path} unknown`),
  );
  check(
    ["/xrun/kata", "/run/kata/x", "/run/kata2"],
    "/xrun/kata unknown",
    "/run/kata/x unknown",
    "/run/kata2 unknown",
  );
});

test("the runtime that the config names is taken, whatever the path says", () => {
  check(
    [
      { path: "/run/kata", runtime: "go" },
      { path: "/run/vc/sbs", runtime: "unknown" },
    ],
    "/run/kata go",
    "/run/vc/sbs unknown",
  );
});

test("validate remarks on each root whose runtime is unknown, and says how to name it", () => {
  const remarksOn = (roots?: readonly unknown[]) => factory.remarks?.(factory.schema.parse({ roots })) ?? [];
  assert.deepEqual(remarksOn(), []);
  const [first, second, ...more] = remarksOn([
    "/a",
    "/run/kata",
    { path: "/b" },
    { path: "/c", runtime: "go" },
  ]);
  assert.deepEqual([first?.path, second?.path, more], [["roots", "0"], ["roots", "2"], []]);
  assert.match(
    first?.message ?? "",
    /^the runtime of "\/a" is unknown, .*; name it with \{path: \/a, runtime: go\} or /,
  );
});

test("validate remarks on a root whose runtime is not the usual one of its path, and says what follows", () => {
  const roots = [
    { path: "/host/run/kata", runtime: "go" },
    { path: "/run/vc/sbs", runtime: "rs" },
    { path: "/run/kata", runtime: "rs" },
  ];
  const messages = factory.remarks?.(factory.schema.parse({ roots })).map(({ message }) => message);
  assert.deepEqual(messages, [
    '"/host/run/kata" ends as roots of the runtime rs do, and is said to be of go: if that is wrong, sandboxes of runtime-rs on QEMU end when they are asked as they boot',
    '"/run/vc/sbs" ends as roots of the runtime go do, and is said to be of rs: if that is wrong, sandboxes of the Go shim are never asked',
  ]);
});
