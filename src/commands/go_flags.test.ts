// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type GoFlag, goUsage, parseGoFlags } from "./go_flags.ts";

const FLAGS = {
  "listen-address": { kind: "text", help: "where", default: ":1" },
  config: { kind: "text", help: "file" },
  verbose: { kind: "bool", help: "more" },
} as const satisfies Record<string, GoFlag>;

/** The flags that the arguments set, or what is wrong with them. */
function check(args: readonly string[], want: Record<string, readonly string[]> | string): void {
  const parsed = parseGoFlags(args, FLAGS);
  const got =
    typeof parsed === "string"
      ? parsed
      : "wrong" in parsed
        ? parsed.wrong
        : Object.fromEntries(parsed.values);
  assert.deepEqual(got, want, args.join(" "));
}

test("one dash or two, a blank or an equals sign", () => {
  const want = { "listen-address": [":8090"] };
  check(["-listen-address", ":8090"], want);
  check(["--listen-address", ":8090"], want);
  check(["-listen-address=:8090"], want);
  check(["--listen-address=:8090"], want);
  check(["--config=a=b"], { config: ["a=b"] });
  check(["--config="], { config: [""] });
  check(["--config", "-verbose"], { config: ["-verbose"] });
  check([], {});
});

test("a flag can be repeated, and a bool needs no value", () => {
  check(["--config", "a", "-config=b"], { config: ["a", "b"] });
  check(["-verbose", "--config", "a"], { verbose: ["true"], config: ["a"] });
  check(["-verbose=false"], { verbose: ["false"] });
});

test("arguments that Go refuses are refused in its words, and so are those that it would ignore", () => {
  check(["--nothing"], "flag provided but not defined: -nothing");
  check(["--__proto__", "x"], "flag provided but not defined: -__proto__");
  check(["--config"], "flag needs an argument: -config");
  check(["---config"], "bad flag syntax: ---config");
  check(["-=x"], "bad flag syntax: -=x");
  check(["-verbose=maybe"], 'invalid boolean value "maybe" for -verbose');
  check(["-verbose", "true"], "unexpected argument: true");
  check(["--"], "bad flag syntax: --");
});

test("help is asked for in any of Go's ways, and names each flag", () => {
  for (const help of ["-h", "--help", "-help"]) check(["-verbose", help], "help");
  assert.match(goUsage(FLAGS), /--listen-address string\n\s+where \(default ":1"\)/);
});
