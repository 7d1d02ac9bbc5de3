// SPDX-License-Identifier: Apache-2.0
import { suite, test } from "node:test";
import { peerIsThere } from "../kit/peers.ts";
import { perform } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

/** They wait most of the time, each for its own agent. */
const AT_A_TIME = 3;
/** One builds a Go server, which takes minutes where Go's cache is empty and the machine is busy. */
const TIMEOUT_MS = 600_000;

// The short forms; `npm run soak` runs the long ones, and those that take long in any form.
suite("nothing that was accepted is lost", { concurrency: AT_A_TIME }, () => {
  for (const scenario of SCENARIOS) {
    test(`${scenario.name}: ${scenario.summary}`, { timeout: TIMEOUT_MS }, async (context) => {
      const lacking = scenario.lacks?.();
      if (!peerIsThere(context, lacking ?? "", lacking === undefined)) return;
      const print = (text: string): void => context.diagnostic(text);
      await perform(scenario, { seed: 1, long: false, kills: 5, minutes: 0, print });
    });
  }
});
