// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration } from "../../options/values.ts";

/** The Collector's options; durations are in milliseconds, 0 where not given. */
export interface MemoryLimiterConfig {
  readonly check_interval: number;
  readonly limit_mib: number;
  readonly spike_limit_mib: number;
  readonly limit_percentage: number;
  readonly spike_limit_percentage: number;
  readonly min_gc_interval_when_soft_limited: number;
  readonly max_gc_interval_when_soft_limited: number;
  readonly min_gc_interval_when_hard_limited: number;
  readonly max_gc_interval_when_hard_limited: number;
}

const mib = () => z.int().min(0).max(0xffff_ffff).default(0);
const percentage = () => z.int().min(0).default(0);

/** Its faults are in the Collector's words. */
export const memoryLimiterSchema: z.ZodType<MemoryLimiterConfig> = z
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
    const check = (isRight: boolean, key: keyof MemoryLimiterConfig, message: string): void => {
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

export interface Limits {
  readonly hardBytes: number;
  readonly softBytes: number;
}

const MIB = 1024 * 1024;
/** Such a part of the hard limit is the spike where none is given. */
const SPIKE_DIVISOR = 5;

/** How much there is to have a share of: by the groups or the machine, and by V8. */
export interface Room {
  readonly availableBytes: number;
  readonly reachBytes: number;
}

/** What a limiter's options say about one kind of limit, in bytes or in percent. */
interface Asked {
  readonly limit: number;
  readonly spike: number;
  readonly unitBytes: number;
}

/** A fixed limit goes before one in percent, each with a spike of its own kind. */
function asked(config: MemoryLimiterConfig, { availableBytes }: Room): Asked {
  const { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage } = config;
  return limit_mib > 0
    ? { limit: limit_mib, spike: spike_limit_mib || limit_mib / SPIKE_DIVISOR, unitBytes: MIB }
    : {
        limit: limit_percentage,
        spike: spike_limit_percentage || limit_percentage / SPIKE_DIVISOR,
        unitBytes: availableBytes / 100,
      };
}

/** The limits now. Where V8 would end the process before it has what the options allow, they are less in proportion. */
export function limitsOf(config: MemoryLimiterConfig, room: Room): Limits {
  const { limit, spike, unitBytes } = asked(config, room);
  const allBytes = config.limit_mib > 0 ? limit * MIB : room.availableBytes;
  const share = Math.min(1, room.reachBytes / allBytes);
  const inBytes = (amount: number): number => Math.floor(amount * unitBytes * share);
  return { hardBytes: inBytes(limit), softBytes: inBytes(limit - spike) };
}

/** The least value of an option, or of the memory that the process may have, with which the soft limit is so high. */
export function leastFor(
  softBytes: number,
  config: MemoryLimiterConfig,
): { readonly what: string; readonly mib: number } {
  const { limit_mib, spike_limit_mib } = config;
  const softMib = softBytes / MIB;
  if (limit_mib > 0) {
    const mib = spike_limit_mib > 0 ? softMib + spike_limit_mib : softMib / (1 - 1 / SPIKE_DIVISOR);
    return { what: "limit_mib", mib: Math.ceil(mib) };
  }
  const { limit, spike } = asked(config, { availableBytes: 0, reachBytes: 0 });
  return { what: "memory limit of the container", mib: Math.ceil((softMib / (limit - spike)) * 100) };
}
