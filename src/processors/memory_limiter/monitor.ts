// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { Statuses } from "../../component/status.ts";
import { RepeatedLog } from "../../reporting/repeated_log.ts";
import { type GcIntervals, leastFor, limitsOf, type MemoryLimiterConfig } from "./config.ts";
import type { Memory, MemoryUsage } from "./memory.ts";

export interface MemoryMonitorOptions {
  readonly id: string;
  readonly config: MemoryLimiterConfig;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One processor that uses the monitor. It is an object, since several processors may have the same `statuses`. */
interface User {
  readonly statuses: Statuses;
}

/**
 * How much memory is used:
 *
 * - "normal": less than the soft limit.
 * - "soft", "hard": at least the soft or the hard limit. Nothing is scraped.
 * - "kept": more than the hard limit is held, but less than the soft limit is in use. Scraping goes on, since freed
 *   memory that Node keeps does not shrink when less is scraped.
 */
type Level = "normal" | "kept" | "soft" | "hard";

const WARNINGS: Readonly<Record<Exclude<Level, "normal">, string>> = {
  hard: "Memory is above the hard limit; nothing is scraped.",
  soft: "Memory is above the soft limit; nothing is scraped.",
  kept: "Freed memory that Node keeps is above the hard limit; scraping goes on.",
};
const TOO_LOW =
  "The limit leaves too little memory to work with, and scrapes will be skipped; raise the option to least_mib.";
const REFUSED = "data refused due to high memory usage";
/**
 * The memory that an agent with a few sandboxes uses in addition to that which it uses right after its start; measured.
 */
const WORK_BYTES = 16 * 1024 * 1024;
const MIB = 1024 * 1024;
const LOG_INTERVAL_MS = 10_000;
/** A collection that frees a smaller share of the memory counts as one that has freed nothing. */
const EFFECTIVE_SHARE = 0.05;
/**
 * When the interval between two collections begins to grow, it becomes this share of `check_interval`. The share is
 * less than 1, so that the very next check may collect.
 */
const FIRST_STEP_SHARE = 0.95;

/** Checks the memory every `check_interval`, says whether it is short, and collects garbage. */
export class MemoryMonitor {
  readonly #options: MemoryMonitorOptions;
  #level: Level = "normal";
  /** The processors that use this monitor: one of each pipeline. */
  readonly #users = new Set<User>();
  #cancel: (() => void) | undefined;
  #collectedMs = 0;
  /** The grown interval between collections that free nothing; 0 while they free something. */
  #waitMs = 0;
  readonly #collections: RepeatedLog;

  constructor(options: MemoryMonitorOptions) {
    this.#options = options;
    this.#collections = new RepeatedLog({
      clock: options.clock,
      intervalMs: LOG_INTERVAL_MS,
      write: (fields, { requests }) =>
        options.logger.info({ ...fields, collections: requests }, "Garbage has been collected."),
    });
  }

  get isShort(): boolean {
    return this.#level === "soft" || this.#level === "hard";
  }

  /**
   * To be called when a processor begins to use the monitor. The processor calls the returned function when it ends.
   * The checks end with the last processor.
   */
  start(statuses: Statuses): () => void {
    const user: User = { statuses };
    this.#users.add(user);
    if (this.#users.size === 1) this.#watch();
    return () => {
      if (this.#users.delete(user) && this.#users.size === 0) this.#unwatch();
    };
  }

  #watch(): void {
    const { config, memory, clock, logger } = this.#options;
    this.#collectedMs = clock.monotonicMs();
    const usage = memory.read();
    const { softBytes } = limitsOf(config, usage);
    logger.info({ ...this.#fieldsOf(usage), soft_limit_mib: toMib(softBytes) }, "Memory is being watched.");
    this.#warnIfTooLow(usage);
    this.#checkLater();
  }

  #unwatch(): void {
    this.#cancel?.();
    this.#collections.close();
    this.#level = "normal";
  }

  /** Warns if the limit leaves too little memory, after the garbage of the start has been collected. */
  #warnIfTooLow(before: MemoryUsage): void {
    const { config, memory, logger } = this.#options;
    const isTooLow = (usage: MemoryUsage): boolean =>
      limitsOf(config, usage).softBytes < usage.usedBytes + WORK_BYTES;
    if (!isTooLow(before)) return;
    memory.collect(true);
    const usage = memory.read();
    if (!isTooLow(usage)) return;
    const { what, mib } = leastFor(usage.usedBytes + WORK_BYTES, config);
    const { softBytes } = limitsOf(config, usage);
    const soft_limit_mib = toMib(softBytes);
    logger.warn({ ...this.#fieldsOf(usage), soft_limit_mib, option: what, least_mib: mib }, TOO_LOW);
  }

  #checkLater(): void {
    this.#cancel = this.#options.clock.after(this.#options.config.checkIntervalMs, () => {
      this.#check();
      this.#checkLater();
    });
  }

  #check(): void {
    let usage = this.#options.memory.read();
    let level = this.#levelOf(usage);
    if (level !== "normal" && this.#isCollectionDue(level)) {
      usage = this.#collect(level, usage);
      level = this.#levelOf(usage);
    }
    if (level === "normal") this.#waitMs = 0;
    this.#enter(level, usage);
  }

  #levelOf(usage: MemoryUsage): Level {
    const { hardBytes, softBytes } = limitsOf(this.#options.config, usage);
    if (usage.usedBytes >= hardBytes) return "hard";
    if (usage.usedBytes >= softBytes) return "soft";
    return usage.heldBytes >= hardBytes ? "kept" : "normal";
  }

  #isCollectionDue(level: Level): boolean {
    // Memory that one collection did not give back, the next one does not give back either.
    if (level === "kept" && this.#level === "kept" && this.#waitMs > 0) return false;
    const elapsedMs = this.#options.clock.monotonicMs() - this.#collectedMs;
    return elapsedMs >= Math.max(this.#intervals(level).minMs, this.#waitMs);
  }

  #intervals(level: Level): GcIntervals {
    const { soft, hard } = this.#options.config.gcIntervals;
    return level === "soft" ? soft : hard;
  }

  #collect(level: Level, before: MemoryUsage): MemoryUsage {
    const { memory, clock, config } = this.#options;
    const startedMs = clock.monotonicMs();
    const isPossible = memory.collect(level !== "soft");
    this.#collectedMs = clock.monotonicMs();
    const after = memory.read();
    if (isPossible) {
      const before_mib = toMib(before.usedBytes);
      const duration_ms = Math.round(this.#collectedMs - startedMs);
      this.#collections.report(0, { before_mib, ...this.#fieldsOf(after), duration_ms });
    }
    const { minMs, maxMs } = this.#intervals(level);
    const firstMs = Math.max(minMs, config.checkIntervalMs * FIRST_STEP_SHARE);
    const longerMs = this.#waitMs === 0 ? firstMs : this.#waitMs * 2;
    this.#waitMs = hasFreed(before, after) ? 0 : Math.min(longerMs, maxMs);
    return after;
  }

  #enter(level: Level, usage: MemoryUsage): void {
    if (level === this.#level) return;
    const wasRefusing = this.isShort;
    this.#level = level;
    this.#log(level, wasRefusing, this.#fieldsOf(usage));
    if (this.isShort === wasRefusing) return;
    for (const { statuses } of this.#users)
      if (wasRefusing) statuses.report("processor", this.#options.id, "ok");
      else statuses.report("processor", this.#options.id, "recoverable_error", REFUSED);
  }

  #fieldsOf(usage: MemoryUsage): object {
    const { hardBytes } = limitsOf(this.#options.config, usage);
    const { usedBytes, heldBytes } = usage;
    return { cur_mem_mib: toMib(usedBytes), held_mib: toMib(heldBytes), limit_mib: toMib(hardBytes) };
  }

  #log(level: Level, wasRefusing: boolean, fields: object): void {
    const { logger } = this.#options;
    if (level !== "normal") logger.warn(fields, WARNINGS[level]);
    else if (wasRefusing) logger.info(fields, "Memory is below the soft limit again; readings are taken.");
    else logger.info(fields, "Node has given memory back; all of it is below the hard limit again.");
  }
}

function hasFreed(before: MemoryUsage, after: MemoryUsage): boolean {
  const keep = 1 - EFFECTIVE_SHARE;
  return after.usedBytes <= before.usedBytes * keep || after.heldBytes <= before.heldBytes * keep;
}

function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
