// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import type { Statuses } from "../../component/status.ts";
import { RepeatedLog } from "../../reporting/repeated_log.ts";
import { leastFor, limitsOf, type MemoryLimiterConfig } from "./config.ts";
import type { Memory, MemoryUsage } from "./memory.ts";

export interface MemoryMonitorOptions {
  readonly id: string;
  readonly config: MemoryLimiterConfig;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One of several, also where their statuses are the same. */
interface User {
  readonly statuses: Statuses;
}

/**
 * Where memory stands. Above the soft and the hard limit nothing is scraped. "kept" is above the hard limit with what
 * the process keeps and does not use: to scrape less would not make it less.
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
/** What an agent with a few sandboxes takes beyond what it has in use when it has just started; measured. */
const WORK_BYTES = 16 * 1024 * 1024;
const MIB = 1024 * 1024;
const LOG_INTERVAL_MS = 10_000;
/** A collection that frees a smaller share of what there was has freed nothing. */
const EFFECTIVE_SHARE = 0.05;
/** Of `check_interval`: the first step of a growing interval, a little less so that every check may be the one. */
const FIRST_STEP_SHARE = 0.95;

/** Looks at the memory from time to time, says whether it is short, and collects garbage. */
export class MemoryMonitor {
  readonly #options: MemoryMonitorOptions;
  #level: Level = "normal";
  /** The processors that use it, which is one for all pipelines. */
  readonly #users = new Set<User>();
  #cancel: (() => void) | undefined;
  #collectedMs = 0;
  /** How long to wait between collections, beside the least time, as long as they free nothing. */
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

  /** A processor with these statuses begins to ask, until the returned function is called; the last one ends the watch. */
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

  /** What a start leaves behind as garbage is no reason. */
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
    this.#cancel = this.#options.clock.after(this.#options.config.check_interval, () => {
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
    // What one collection did not give back the next one does not either.
    if (level === "kept" && this.#level === "kept" && this.#waitMs > 0) return false;
    const elapsedMs = this.#options.clock.monotonicMs() - this.#collectedMs;
    return elapsedMs >= Math.max(this.#intervals(level).minMs, this.#waitMs);
  }

  #intervals(level: Level): { readonly minMs: number; readonly maxMs: number } {
    const { config } = this.#options;
    return level === "soft"
      ? {
          minMs: config.min_gc_interval_when_soft_limited,
          maxMs: config.max_gc_interval_when_soft_limited,
        }
      : {
          minMs: config.min_gc_interval_when_hard_limited,
          maxMs: config.max_gc_interval_when_hard_limited,
        };
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
    const firstMs = Math.max(minMs, config.check_interval * FIRST_STEP_SHARE);
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
