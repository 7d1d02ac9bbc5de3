import assert from "node:assert/strict";
import { test } from "node:test";
import { hasProgram, peerIsThere } from "../e2e/peers.ts";
import { runHostileNode } from "./hostile_node.ts";

/** A longer hunt: npm run fuzz -- --rounds 200 */
test("whatever hostile sandboxes serve, the agent's page is valid and the honest ones are on it unchanged", async (context) => {
  const judges = hasProgram("promtool") && hasProgram("prometheus");
  if (!peerIsThere(context, "prometheus", judges)) return;
  let rounds = 0;
  await runHostileNode({ seed: 1, rounds: 4, sandboxes: 12, onRound: () => rounds++ });
  assert.equal(rounds, 4);
});
