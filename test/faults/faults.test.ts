// SPDX-License-Identifier: Apache-2.0
import { suite, test } from "node:test";
import { peerIsThere } from "../kit/peers.ts";
import { runScenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

/** Scenarios mostly wait for their agents, so that several can run at the same time. */
const AT_A_TIME = 3;
/** One builds a Go server, which takes minutes where Go's cache is empty and the machine is busy. */
const TIMEOUT_MS = 600_000;

// These are the short forms; `npm run soak` runs the long ones, and the soak itself, which has no short form.
suite("no accepted point is lost", { concurrency: AT_A_TIME }, () => {
  for (const scenario of SCENARIOS) {
    test(`${scenario.name}: ${scenario.summary}`, { timeout: TIMEOUT_MS }, async (context) => {
      const lacking = scenario.lacks?.();
      if (!peerIsThere(context, lacking ?? "", lacking === undefined)) return;
      const print = (text: string): void => context.diagnostic(text);
      await runScenario(scenario, { seed: 1, long: false, kills: 5, minutes: 0, print });
    });
  }
});
