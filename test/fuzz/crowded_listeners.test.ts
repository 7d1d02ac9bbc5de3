// SPDX-License-Identifier: Apache-2.0
import { test } from "node:test";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { attackListeners } from "./crowded_listeners.ts";

/** For a longer run: npm run fuzz -- --listeners --rounds 100 */
test("whatever clients do to the listeners, an honest puller and probe get all that they ask for", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  await attackListeners(context, { seed: 1, rounds: 4 });
});
