// SPDX-License-Identifier: Apache-2.0
import { createNoopMeter } from "@opentelemetry/api";
import { pino } from "pino";
import { FakeClock } from "../../../src/clock/fake_clock.ts";
import type { Settings } from "../../../src/component/component.ts";
import { Interner } from "../../../src/metrics/interner.ts";
import { createHost } from "../../../src/pipeline/host.ts";

/** Makes the settings of a component: no log, no metrics, and a clock that stands until the test advances it. */
export function testSettings(change: Partial<Settings> = {}): Settings {
  return {
    id: "test",
    logger: pino({ level: "silent" }),
    meter: createNoopMeter(),
    clock: new FakeClock(),
    interner: new Interner(),
    host: createHost(),
    build: { command: "test", description: "", version: "0" },
    env: {},
    ...change,
  };
}
