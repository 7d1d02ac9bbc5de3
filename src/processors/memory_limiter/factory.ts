// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import type { ProcessorFactory } from "../../component/factory.ts";
import { getOrMake } from "../../metrics/memoized.ts";
import { type MemoryLimiterConfig, memoryLimiterSchema } from "./config.ts";
import { systemMemory } from "./memory.ts";
import { MemoryMonitor } from "./monitor.ts";
import { MemoryLimiterProcessor } from "./processor.ts";

/**
 * One monitor for each config. A processor that is in several pipelines is several components with one config, and
 * these share the monitor.
 */
const monitors = new WeakMap<MemoryLimiterConfig, MemoryMonitor>();

function monitorOf(config: MemoryLimiterConfig, { id, clock, logger }: Settings): MemoryMonitor {
  return getOrMake(
    monitors,
    config,
    () => new MemoryMonitor({ id, config, memory: systemMemory, clock, logger }),
  );
}

/** Stops scraping and collects garbage while memory is short, as the Collector's processor of this name does. */
export const factory: ProcessorFactory<MemoryLimiterConfig> = {
  stability: "beta",
  schema: memoryLimiterSchema,
  create: (config, settings, next) => new MemoryLimiterProcessor(monitorOf(config, settings), settings, next),
};
