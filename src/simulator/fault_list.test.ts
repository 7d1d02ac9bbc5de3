// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeFaults, parseFaults } from "./fault_list.ts";
import { SANDBOX_FAULTS } from "./sandbox_faults.ts";

test("faults are names with numbers, or names alone", () => {
  assert.deepEqual(parseFaults("", 0), {});
  assert.deepEqual(parseFaults("hang=1,slow_disk=2,leaked_vm", 4), { hang: 1, slow_disk: 2, leaked_vm: 1 });
});

test("a wrong text gets an error that says why", () => {
  assert.throws(() => parseFaults("hung=1", 4), /no fault "hung"; there are none, hang, slow, slow_shim/);
  assert.throws(() => parseFaults("hang=-1", 4), /number of "hang" must be a whole number, got "-1"/);
  assert.throws(() => parseFaults("hang=2,slow=3", 4), /5 faults are more than 4 sandboxes/);
});

test("the help has a line for every fault, and fits a terminal", () => {
  const lines = describeFaults().trimEnd().split("\n");
  assert.equal(lines.length, Object.keys(SANDBOX_FAULTS).length);
  for (const line of lines) {
    assert.match(line, /^ {2}[a-z0-9_]+ +[a-z].*[a-z)]$/);
    assert.ok(line.length <= 120, line);
  }
});
