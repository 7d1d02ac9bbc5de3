// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { startForeignParsers } from "../kit/page_parsers/foreign_parsers.ts";
import { goOnWithout, hasProgram, peerIsThere } from "../kit/peers.ts";
import { runHostileNode } from "./hostile_node.ts";

/** For a longer run: npm run fuzz -- --rounds 200 */
test("whatever hostile sandboxes send, the agent's page is valid and has the honest ones unchanged", async (context) => {
  const judges = hasProgram("promtool") && hasProgram("prometheus");
  if (!peerIsThere(context, "prometheus", judges)) return;
  const { parsers, missing, close } = await startForeignParsers();
  try {
    goOnWithout(context, missing);
    let rounds = 0;
    await runHostileNode({ seed: 1, rounds: 4, sandboxes: 12, parsers, onRound: () => rounds++ });
    assert.equal(rounds, 4);
  } finally {
    await close();
  }
});
