// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration } from "../../options/values.ts";

/** The Collector's options. Limits are 0 if they are not given. */
export interface MemoryLimiterConfig {
  readonly checkIntervalMs: number;
  /** The hard limit of the whole process. It takes precedence over `limitPercentage`. */
  readonly limitMib: number;
  /** The difference between the hard limit and the soft limit. */
  readonly spikeLimitMib: number;
  /** The hard limit in percent of the memory that the process may have. */
  readonly limitPercentage: number;
  readonly spikeLimitPercentage: number;
  /** The time between two collections of garbage, above the soft limit and above the hard limit. */
  readonly gcIntervals: Readonly<Record<"soft" | "hard", GcIntervals>>;
}

export interface GcIntervals {
  readonly minMs: number;
  /** The interval grows up to this while collections free nothing. If this is 0, the interval does not grow. */
  readonly maxMs: number;
}

const mib = () => z.int().min(0).max(0xffff_ffff).default(0);
const percentage = () => z.int().min(0).default(0);

/** The options by their names in YAML. The faults are in the Collector's words. */
const options = z
  .strictObject({
    check_interval: duration().prefault("0s").describe("How often memory is looked at; 1s is a good choice"),
    limit_mib: mib().describe("The hard limit of the whole process, in MiB"),
    spike_limit_mib: mib().describe(
      "So much below it is the soft limit, from which on nothing is scraped; a fifth of it if left out",
    ),
    limit_percentage: percentage().describe("The hard limit in percent of what the process may have"),
    spike_limit_percentage: percentage().describe("As spike_limit_mib, in percent of the same"),
    min_gc_interval_when_soft_limited: duration()
      .prefault("10s")
      .describe("The least time between two collections of garbage, above the soft limit"),
    max_gc_interval_when_soft_limited: duration()
      .prefault("30s")
      .describe("To which that time grows while collections free nothing; 0s lets it not grow"),
    min_gc_interval_when_hard_limited: duration().prefault("0s").describe("The same above the hard limit"),
    max_gc_interval_when_hard_limited: duration().prefault("30s").describe("The same above the hard limit"),
  })
  .superRefine((config, context) => {
    const check = (isRight: boolean, key: keyof typeof config, message: string): void => {
      if (!isRight) context.addIssue({ code: "custom", path: [key], message, input: config[key] });
    };
    const { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage } = config;
    check(config.check_interval > 0, "check_interval", "'check_interval' must be greater than zero");
    check(
      config.min_gc_interval_when_soft_limited >= config.min_gc_interval_when_hard_limited,
      "min_gc_interval_when_soft_limited",
      "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
    );
    check(
      limit_mib > 0 || limit_percentage > 0,
      "limit_mib",
      "'limit_mib' or 'limit_percentage' must be greater than zero",
    );
    for (const key of ["limit_percentage", "spike_limit_percentage"] as const)
      check(
        config[key] <= 100,
        key,
        "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
      );
    check(
      limit_mib === 0 || spike_limit_mib < limit_mib,
      "spike_limit_mib",
      "'spike_limit_mib' must be smaller than 'limit_mib'",
    );
    check(
      limit_percentage === 0 || spike_limit_percentage < limit_percentage,
      "spike_limit_percentage",
      "'spike_limit_percentage' must be smaller than 'limit_percentage'",
    );
    for (const level of ["soft", "hard"] as const) {
      const max = `max_gc_interval_when_${level}_limited` as const;
      const min = `min_gc_interval_when_${level}_limited` as const;
      check(
        config[max] === 0 || config[max] >= config[min],
        max,
        `'${max}' must be zero or at least '${min}'`,
      );
    }
  });

export const memoryLimiterSchema: z.ZodType<MemoryLimiterConfig> = options.transform((config) => ({
  checkIntervalMs: config.check_interval,
  limitMib: config.limit_mib,
  spikeLimitMib: config.spike_limit_mib,
  limitPercentage: config.limit_percentage,
  spikeLimitPercentage: config.spike_limit_percentage,
  gcIntervals: {
    soft: {
      minMs: config.min_gc_interval_when_soft_limited,
      maxMs: config.max_gc_interval_when_soft_limited,
    },
    hard: {
      minMs: config.min_gc_interval_when_hard_limited,
      maxMs: config.max_gc_interval_when_hard_limited,
    },
  },
}));

export interface Limits {
  readonly hardBytes: number;
  readonly softBytes: number;
}

const MIB = 1024 * 1024;
/** The default of the spike limit is the hard limit divided by this. */
const SPIKE_DIVISOR = 5;

/** The memory that the process can have (see `MemoryUsage`). */
export interface Room {
  readonly availableBytes: number;
  readonly reachBytes: number;
}

/** The limit and the spike limit that the options give, both in one unit. */
interface ConfiguredLimit {
  readonly limit: number;
  readonly spike: number;
  /** The size of the unit: a MiB, or a percent of the available memory. */
  readonly unitBytes: number;
}

/** A limit in MiB takes precedence over one in percent. Each of the two has a spike limit of its own. */
function configuredLimit(config: MemoryLimiterConfig, { availableBytes }: Room): ConfiguredLimit {
  const { limitMib, spikeLimitMib, limitPercentage, spikeLimitPercentage } = config;
  return limitMib > 0
    ? { limit: limitMib, spike: spikeLimitMib || limitMib / SPIKE_DIVISOR, unitBytes: MIB }
    : {
        limit: limitPercentage,
        spike: spikeLimitPercentage || limitPercentage / SPIKE_DIVISOR,
        unitBytes: availableBytes / 100,
      };
}

/**
 * The limits in bytes. If V8 would end the process before the hard limit is reached, both limits are lower in
 * proportion.
 */
export function limitsOf(config: MemoryLimiterConfig, room: Room): Limits {
  const { limit, spike, unitBytes } = configuredLimit(config, room);
  const allBytes = config.limitMib > 0 ? limit * MIB : room.availableBytes;
  const share = Math.min(1, room.reachBytes / allBytes);
  const inBytes = (amount: number): number => Math.floor(amount * unitBytes * share);
  return { hardBytes: inBytes(limit), softBytes: inBytes(limit - spike) };
}

/** The least value of an option, or of the container's memory, with which the soft limit is at least `softBytes`. */
export function leastFor(
  softBytes: number,
  config: MemoryLimiterConfig,
): { readonly what: string; readonly mib: number } {
  const { limitMib, spikeLimitMib } = config;
  const softMib = softBytes / MIB;
  if (limitMib > 0) {
    const mib = spikeLimitMib > 0 ? softMib + spikeLimitMib : softMib / (1 - 1 / SPIKE_DIVISOR);
    return { what: "limit_mib", mib: Math.ceil(mib) };
  }
  const { limit, spike } = configuredLimit(config, { availableBytes: 0, reachBytes: 0 });
  return { what: "memory limit of the container", mib: Math.ceil((softMib / (limit - spike)) * 100) };
}
