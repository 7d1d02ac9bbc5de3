// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/** Where the variable is "required" (as in CI), a peer that is not installed makes the test fail instead of skipping it. */
const REQUIRED = process.env["KATA_COLLECTOR_TEST_PEERS"] === "required";

/** The Python interpreter with the packages that some peers need. */
export const PYTHON: string = process.env["KATA_COLLECTOR_TEST_PYTHON"] ?? "python3";

/** Returns whether the program can be started at all. */
export function hasProgram(name: string, versionArgument = "--version"): boolean {
  return spawnSync(name, [versionArgument], { stdio: "ignore" }).error === undefined;
}

/** Returns true where the peer is there. Otherwise skips the test with a message, or fails where peers are required. */
export function peerIsThere(context: TestContext, peer: string, there: boolean): boolean {
  if (there) return true;
  assert.ok(!REQUIRED, `${peer} is not installed, and peers are required`);
  context.skip(`${peer} is not installed`);
  return false;
}

/** Writes in the test's output that it goes on without these peers. Fails where peers are required. */
export function goOnWithout(context: TestContext, peers: readonly string[]): void {
  assert.ok(!REQUIRED || peers.length === 0, `${peers.join(" and ")}: not installed, and peers are required`);
  for (const peer of peers) context.diagnostic(`${peer}: not installed; the test goes on without`);
}
