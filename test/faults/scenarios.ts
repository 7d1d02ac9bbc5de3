// SPDX-License-Identifier: Apache-2.0
import { backlog } from "./backlog.ts";
import { clocks } from "./clocks.ts";
import { corruption } from "./corruption.ts";
import { cuttingProxy } from "./cutting_proxy.ts";
import { descriptors } from "./descriptors.ts";
import { destinations } from "./destinations.ts";
import { diskFull } from "./disk_full.ts";
import { keepalive } from "./keepalive.ts";
import { kills } from "./kills.ts";
import { memory } from "./memory.ts";
import { overflow } from "./overflow.ts";
import { poisoned } from "./poison.ts";
import { readOnly } from "./read_only.ts";
import { refused, webPage } from "./refused.ts";
import { reloads } from "./reloads.ts";
import { roots } from "./roots.ts";
import { rotations } from "./rotations.ts";
import { runtime } from "./runtime.ts";
import type { Scenario } from "./scenario.ts";
import { stops } from "./stops.ts";
import { throttled } from "./throttled.ts";
import { tooLarge } from "./too_large.ts";

/** The scenarios with a short form, which runs in `npm test`. */
export const SCENARIOS: readonly Scenario[] = [
  kills,
  destinations,
  overflow,
  diskFull,
  readOnly,
  corruption,
  stops,
  tooLarge,
  poisoned,
  refused,
  webPage,
  throttled,
  cuttingProxy,
  rotations,
  keepalive,
  backlog,
  memory,
  runtime,
  roots,
  clocks,
  descriptors,
  reloads,
];
