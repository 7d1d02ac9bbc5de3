// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDebuggerAskedFor, type NodeStart, remarksOnNode } from "./node_remarks.ts";

const PLAIN: NodeStart = {
  env: { PATH: "/bin" },
  execArgv: ["--max-semi-space-size=4", "--disable-sigusr1", "--no-warnings"],
  debuggerUrl: undefined,
};

/** The remarks, as `level message fields`. */
function check(start: Partial<NodeStart>, want: readonly RegExp[]): void {
  const remarks = remarksOnNode({ ...PLAIN, ...start });
  const got = remarks.map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`);
  assert.equal(got.length, want.length, got.join("\n"));
  for (const [index, line] of want.entries()) assert.match(got[index] ?? "", line);
}

test("a usual start gets no remark", () => check({}, []));

test("a debugger is named with its address", () =>
  check({ debuggerUrl: "ws://127.0.0.1:9229/x" }, [/^warn .*debugger.*ws:\/\/127\.0\.0\.1:9229/]));

test("options are named without their values, wherever they come from", () => {
  check({ env: { NODE_OPTIONS: '--max-old-space-size=200 --require "/secret path"' } }, [
    /^info .*\{"options":\["--max-old-space-size","--require"\]\}$/,
  ]);
  check({ execArgv: ["--tls-keylog=/tmp/keys"] }, [/^warn .*secrets.*\{"options":\["--tls-keylog"\]\}$/]);
});

test("an option that weakens security or leaks memory contents gets a warning", () => {
  check({ env: { NODE_OPTIONS: "--heapsnapshot-signal=SIGUSR2 --insecure-http-parser --trace_gc" } }, [
    /^warn .*secrets are in it.*--heapsnapshot-signal/,
    /^warn .*less strict.*--insecure-http-parser/,
    /^warn .*no part of the log.*--trace-gc/,
    /^info /,
  ]);
  check({ env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } }, [/^warn Certificates of peers are not checked/]);
  check({ env: { NODE_DEBUG: "net" } }, [/^warn .*no part of the log.*NODE_DEBUG/]);
});

test("a debugger is asked for by option, on the command line or in the environment", () => {
  assert.equal(isDebuggerAskedFor(PLAIN), false);
  assert.equal(isDebuggerAskedFor({ ...PLAIN, execArgv: ["--inspect-brk=0"] }), true);
  assert.equal(isDebuggerAskedFor({ ...PLAIN, env: { NODE_OPTIONS: "--inspect" } }), true);
});
