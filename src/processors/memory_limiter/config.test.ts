// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { leastFor, limitsOf, memoryLimiterSchema } from "./config.ts";

const MIB = 1024 * 1024;
const GOOD = { check_interval: "1s", limit_mib: 100 };

test("the defaults are the Collector's", () => {
  assert.deepEqual(memoryLimiterSchema.parse(GOOD), {
    checkIntervalMs: 1_000,
    limitMib: 100,
    spikeLimitMib: 0,
    limitPercentage: 0,
    spikeLimitPercentage: 0,
    gcIntervals: { soft: { minMs: 10_000, maxMs: 30_000 }, hard: { minMs: 0, maxMs: 30_000 } },
  });
});

test("faults are in the Collector's words", () => {
  const check = (input: object, ...wanted: readonly string[]): void => {
    const { error } = memoryLimiterSchema.safeParse(input);
    assert.deepEqual(
      (error?.issues ?? []).map(({ path, message }) => `${path.join("::")}: ${message}`),
      wanted,
    );
  };
  const interval = "check_interval: 'check_interval' must be greater than zero";
  const limit = "limit_mib: 'limit_mib' or 'limit_percentage' must be greater than zero";
  check({}, interval, limit);
  check({ ...GOOD, check_interval: "0s" }, interval);
  check({ check_interval: "1s" }, limit);
  check({ ...GOOD, spike_limit_mib: 99, limit_percentage: 100, spike_limit_percentage: 99 });
  check(
    { ...GOOD, spike_limit_mib: 100 },
    "spike_limit_mib: 'spike_limit_mib' must be smaller than 'limit_mib'",
  );
  check(
    { check_interval: "1s", limit_percentage: 50, spike_limit_percentage: 60 },
    "spike_limit_percentage: 'spike_limit_percentage' must be smaller than 'limit_percentage'",
  );
  check(
    { check_interval: "1s", limit_percentage: 101 },
    "limit_percentage: 'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
  );
  check(
    { ...GOOD, min_gc_interval_when_soft_limited: "1s", min_gc_interval_when_hard_limited: "2s" },
    "min_gc_interval_when_soft_limited: 'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
  );
  check(
    { ...GOOD, max_gc_interval_when_soft_limited: "5s" },
    "max_gc_interval_when_soft_limited: 'max_gc_interval_when_soft_limited' must be zero or at least 'min_gc_interval_when_soft_limited'",
  );
});

const room = (availableMib: number, reachMib: number) => ({
  availableBytes: availableMib * MIB,
  reachBytes: reachMib * MIB,
});

test("the soft limit is the hard one less the spike, a fifth where none is given", () => {
  const check = (input: object, hardBytes: number, softBytes: number): void => {
    const config = memoryLimiterSchema.parse({ check_interval: "1s", ...input });
    assert.deepEqual(limitsOf(config, room(1_000, 4_000)), { hardBytes, softBytes });
  };
  check({ limit_mib: 100 }, 100 * MIB, 80 * MIB);
  check({ limit_mib: 100, spike_limit_mib: 30 }, 100 * MIB, 70 * MIB);
  check({ limit_percentage: 80 }, 800 * MIB, 640 * MIB);
  check({ limit_percentage: 80, spike_limit_percentage: 15 }, 800 * MIB, 650 * MIB);
  check({ limit_mib: 100, limit_percentage: 80, spike_limit_percentage: 15 }, 100 * MIB, 80 * MIB);
});

test("no limit is above what V8 lets the process have", () => {
  const check = (input: object, hardMib: number, softMib: number): void => {
    const config = memoryLimiterSchema.parse({ check_interval: "1s", ...input });
    const limits = limitsOf(config, room(64_000, 4_000));
    assert.deepEqual(limits, { hardBytes: hardMib * MIB, softBytes: softMib * MIB });
  };
  check({ limit_percentage: 80, spike_limit_percentage: 25 }, 3_200, 2_200);
  check({ limit_percentage: 50 }, 2_000, 1_600);
  check({ limit_mib: 8_000, spike_limit_mib: 6_000 }, 4_000, 1_000);
  check({ limit_mib: 3_000, spike_limit_mib: 1_000 }, 3_000, 2_000);
});

test("the least limit that works is one with a soft limit that is high enough", () => {
  const check = (input: object, what: string, mib: number): void => {
    const config = memoryLimiterSchema.parse({ check_interval: "1s", ...input });
    const softBytes = 60 * MIB;
    assert.deepEqual(leastFor(softBytes, config), { what, mib });
    const isFixed = what === "limit_mib";
    const enough = { ...config, limitMib: isFixed ? mib : 0 };
    assert.ok(limitsOf(enough, room(isFixed ? 1_000 : mib, 4_000)).softBytes >= softBytes);
  };
  check({ limit_mib: 50 }, "limit_mib", 75);
  check({ limit_mib: 50, spike_limit_mib: 40 }, "limit_mib", 100);
  check({ limit_percentage: 80, spike_limit_percentage: 25 }, "memory limit of the container", 110);
  check({ limit_percentage: 75 }, "memory limit of the container", 100);
});
