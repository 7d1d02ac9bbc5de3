import { suite, test } from "node:test";
import { peerIsThere } from "../e2e/peers.ts";
import { clocks } from "./clocks.ts";
import { corruption } from "./corruption.ts";
import { descriptors } from "./descriptors.ts";
import { destinations } from "./destinations.ts";
import { diskFull } from "./disk_full.ts";
import { kills } from "./kills.ts";
import { overflow } from "./overflow.ts";
import { readOnly } from "./read_only.ts";
import { reloads } from "./reloads.ts";
import { roots } from "./roots.ts";
import { runtime } from "./runtime.ts";
import { perform, type Scenario } from "./scenario.ts";
import { stops } from "./stops.ts";

/** The short forms; `npm run soak` runs the long ones, and those that take long in any form. */
const SCENARIOS: readonly Scenario[] = [
  kills,
  destinations,
  overflow,
  diskFull,
  readOnly,
  corruption,
  stops,
  runtime,
  roots,
  clocks,
  descriptors,
  reloads,
];

/** They wait most of the time, each for its own agent. */
const AT_A_TIME = 3;

suite("nothing that was accepted is lost", { concurrency: AT_A_TIME }, () => {
  for (const scenario of SCENARIOS) {
    test(`${scenario.name}: ${scenario.summary}`, async (context) => {
      const lacking = scenario.lacks?.();
      if (!peerIsThere(context, lacking ?? "", lacking === undefined)) return;
      const print = (text: string): void => context.diagnostic(text);
      await perform(scenario, { seed: 1, long: false, kills: 5, minutes: 0, print });
    });
  }
});
