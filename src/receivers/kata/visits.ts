// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Settings } from "../../component/component.ts";
import type { NoRoom } from "../../component/consumer.ts";
import type { ShimKind } from "../../kata/known_families.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { pointCount } from "../../metrics/model.ts";
import { isStillThere, SOCKET_NAME } from "./discovery/found_sandbox.ts";
import type { ScrapeReport } from "./pages/own_families.ts";
import type { Pages } from "./pages/pages.ts";
import { isPartial } from "./pages/shim_page.ts";
import type { Readiness } from "./proof/readiness.ts";
import type { RawPages } from "./raw_pages.ts";
import type { ReceiverMetrics } from "./receiver_metrics.ts";
import { NO_LIMITS } from "./sandbox/answers.ts";
import { birthsOf, bootTimes } from "./sandbox/boot_times.ts";
import { type Condition, conditionAfter, type Finding, WELL } from "./sandbox/condition.ts";
import { instantOf } from "./sandbox/instant.ts";
import { factsOf, resourceOf, runtimeOf, type Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";
import { nextVisitMs } from "./sandbox/schedule.ts";
import { isStuckPending } from "./sandbox/starting.ts";
import type { SandboxLog } from "./sandbox_log.ts";
import type { Lanes } from "./scraping/lanes.ts";
import { isCutOff, type ScrapeOutcome, type Scraper } from "./scraping/scrape.ts";
import type { Shown } from "./shown.ts";

export interface VisitsOptions {
  readonly settings: Settings;
  readonly intervalMs: number;
  readonly lanes: Lanes<Scraper>;
  readonly pages: Pages;
  readonly shown: Shown;
  readonly rawPages: RawPages;
  readonly metrics: ReceiverMetrics;
  readonly log: SandboxLog;
  /** Called after the sandbox's state or code has changed. */
  onChange(sandbox: Sandbox, before: Condition): void;
  /**
   * Called when the sandbox's directory is gone, or another directory has its name. The callee must end the sandbox.
   */
  onGone(sandbox: Sandbox): void;
  /** Returns how many sandboxes wait for their socket. */
  waiting(): number;
}

/**
 * The longest time until the next visit if a reload kept the sandbox from being scraped. A reload is short, but an
 * interval may be long.
 */
const EXCHANGE_MS = 1_000;

/**
 * A sandbox that is not scraped is reported once per interval. The report is due after this part of an interval
 * already, so that a visit that comes a little early still makes the report.
 */
const REPORT_PART = 0.9;

/** The report of a visit without a scrape, or of a scrape that failed. */
const NO_PAGE: ScrapeReport = {
  up: false,
  durationMs: 0,
  samples: 0,
  partial: false,
  skippedLines: 0,
  badLines: 0,
};

/**
 * Visits each sandbox at its own rhythm until it ends. The methods follow a visit from top to bottom. A visit
 *
 * 1. looks whether the shim may be asked (`#isReady`),
 * 2. waits for one of the `concurrency` lanes, and asks whether the pipeline has room for a reading (`#scrapeIfReady`),
 * 3. scrapes the shim (`#scrape`),
 * 4. parses the page (`#accept`), or records the failure (`#fail`),
 * 5. updates the sandbox's condition (`applyFinding`),
 * 6. hands a reading to the pipeline, and schedules the next visit.
 */
export class Visits {
  readonly #options: VisitsOptions;
  readonly #timers = new Map<Sandbox, () => void>();
  readonly #running = new Set<Promise<void>>();
  readonly #begunMs: number;
  #stopped = false;

  constructor(options: VisitsOptions) {
    this.#options = options;
    this.#begunMs = options.settings.clock.monotonicMs();
  }

  /** Visits the sandbox now, and again until it ends. */
  begin(sandbox: Sandbox): void {
    this.#visitIn(sandbox, 0);
  }

  /** Ends the sandbox: breaks off a scrape under way, and schedules no further visit. */
  end(sandbox: Sandbox): void {
    this.#timers.get(sandbox)?.();
    this.#timers.delete(sandbox);
    this.#options.rawPages.refuse(sandbox, "it has ended");
    sandbox.end();
  }

  /** Begins no visit from now on; visits under way go on. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** Resolves when no visit is under way any more. */
  async done(): Promise<void> {
    await Promise.all(this.#running);
  }

  #visitIn(sandbox: Sandbox, delayMs: number): void {
    if (this.#stopped || sandbox.ended) return;
    const cancel = this.#options.settings.clock.after(delayMs, () => {
      const visit = this.#visit(sandbox).finally(() => this.#running.delete(visit));
      this.#running.add(visit);
    });
    this.#timers.set(sandbox, cancel);
  }

  /** Visits the sandbox, and schedules the next visit afterwards, so that no shim has two scrapes at a time. */
  async #visit(sandbox: Sandbox): Promise<void> {
    const { settings, intervalMs, waiting } = this.#options;
    const { clock, logger, host } = settings;
    let noRoom: NoRoom | undefined;
    try {
      noRoom = await sandbox.inTurn(() => this.#scrapeIfReady(sandbox));
    } catch (error) {
      // One sandbox's page must not end the agent, and with it the metrics of all pods.
      logger.error(
        { ...sandboxNameOf(sandbox, host.single(WITNESSES)), error },
        "BUG: Visit to a sandbox failed.",
      );
    }
    const nowMs = clock.monotonicMs();
    const { phase, foundAt, condition } = sandbox;
    const ageMs = nowMs - foundAt.monotonicMs;
    const nextMs = nextVisitMs(condition, { nowMs, intervalMs, phase, ageMs, waiting: waiting() });
    this.#visitIn(sandbox, noRoom === "exchange" ? Math.min(nextMs, EXCHANGE_MS) : nextMs);
  }

  /**
   * Scrapes the sandbox if it may be asked and the pipeline has room. Returns the reason if the pipeline has no room;
   * undefined if the sandbox was scraped or may not be asked.
   */
  async #scrapeIfReady(sandbox: Sandbox): Promise<NoRoom | undefined> {
    const { lanes, shown, metrics, settings } = this.#options;
    if (sandbox.ended || !this.#isReady(sandbox)) return undefined;
    const { nextScrape } = sandbox.condition;
    // While this visit waited for its turn, the shim did not answer a request for the URL of the guest's agent, and its
    // scrapes were put off. The pipeline has no reading yet that says so.
    if (nextScrape !== undefined && nextScrape.monotonicMs > settings.clock.monotonicMs()) {
      this.#reportUnlessShown(sandbox, Number.POSITIVE_INFINITY);
      return undefined;
    }
    return await lanes.run(async (scraper) => {
      // While the visit waited for a lane, the shim may have been replaced by one that must not be asked.
      if (!this.#isReady(sandbox)) return undefined;
      const noRoom = shown.noRoom(sandbox);
      if (noRoom === undefined) await this.#scrape(sandbox, scraper);
      else metrics.skipped(noRoom);
      return noRoom;
    });
  }

  /** Returns whether the sandbox still exists and may be asked. If it may not, its condition says why. */
  #isReady(sandbox: Sandbox): boolean {
    const readiness = this.readiness(sandbox);
    if (readiness === undefined) return false;
    if (readiness.state === "ready") return true;
    sandbox.answers.limits = NO_LIMITS;
    this.applyFinding(sandbox, { kind: "not_ready", why: readiness });
    this.#reportNotReady(sandbox);
    return false;
  }

  /**
   * Reports a sandbox that may not be asked. A sandbox that is starting is not reported, unless the pipeline shows it:
   * its last reading is then out of date.
   */
  #reportNotReady(sandbox: Sandbox): void {
    const { settings, log, intervalMs, shown } = this.#options;
    const isStuck = isStuckPending(sandbox, settings.clock.monotonicMs(), settings.host.single(WITNESSES));
    if (isStuck) log.stuck(sandbox);
    const { state, code } = sandbox.condition;
    const isDue = isStuck || state === "unsafe" || code === "unreadable" || shown.has(sandbox);
    if (isDue) this.#reportUnlessShown(sandbox, intervalMs * REPORT_PART);
  }

  /** Reports the sandbox's condition, unless the pipeline has shown it within the last `withinMs`. */
  #reportUnlessShown(sandbox: Sandbox, withinMs: number): void {
    const { shown } = this.#options;
    // If there is no room for the report, the next visit makes it.
    if (!shown.isCurrent(sandbox, withinMs) && shown.noRoom(sandbox) === undefined)
      this.#report(sandbox, NO_PAGE);
  }

  /** Returns whether the sandbox may be asked now; undefined if it is gone. */
  readiness(sandbox: Sandbox): Readiness | undefined {
    const { onGone } = this.#options;
    if (sandbox.ended) return undefined;
    if (!isStillThere(sandbox.found)) {
      onGone(sandbox);
      return undefined;
    }
    const readiness = sandbox.readiness.look();
    if (readiness.state === "ready") this.#noteShim(sandbox, readiness.shim);
    return readiness;
  }

  /** Records the kind of the shim. The sandbox's resource names the runtime: if that changes, its series end and begin anew. */
  #noteShim(sandbox: Sandbox, shim: ShimKind): void {
    const before = runtimeOf(sandbox);
    sandbox.shim = shim;
    const runtime = runtimeOf(sandbox);
    if (runtime === before) return;
    this.#options.shown.hide(sandbox);
    sandbox.resource = resourceOf(sandbox.resource.key, sandbox.found.id, runtime);
  }

  /** Updates the sandbox's condition after the finding. */
  applyFinding(sandbox: Sandbox, finding: Finding): void {
    const { settings, intervalMs, rawPages, onChange } = this.#options;
    const now = instantOf(settings.clock);
    if (finding.kind === "failed" && isCutOff(finding.fault)) sandbox.answers.noteCutOff(now.monotonicMs);
    const before = sandbox.condition;
    sandbox.condition = conditionAfter(before, finding, { now, intervalMs });
    const { state, reason, since } = sandbox.condition;
    if (state !== "up") rawPages.refuse(sandbox, `it is ${state}: ${reason}`);
    if (since !== before.since) onChange(sandbox, before);
  }

  async #scrape(sandbox: Sandbox, scraper: Scraper): Promise<void> {
    const { settings, rawPages } = this.#options;
    const { clock } = settings;
    const startMs = clock.monotonicMs();
    const outcome = await scraper.scrape(join(sandbox.found.directory, SOCKET_NAME), sandbox.ending, {
      maySend: () => sandbox.readiness.isStillReady(),
    });
    const durationMs = clock.monotonicMs() - startMs;
    try {
      if (sandbox.ended) return;
      if (outcome.ok) {
        rawPages.offer(sandbox, outcome.page, outcome.length);
        this.#accept(sandbox, outcome, durationMs);
      } else this.#fail(sandbox, outcome, durationMs);
    } finally {
      scraper.release();
    }
  }

  #accept(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: true }, durationMs: number): void {
    const { settings, pages, metrics, shown, log } = this.#options;
    const { answers, found, foundAt } = sandbox;
    const now = instantOf(settings.clock);
    answers.boot ??= bootTimes(birthsOf(found), { begunMs: this.#begunMs, found: foundAt, answered: now });
    const before = { ...factsOf(sandbox, settings.host.single(WITNESSES)), lastAnswerMs: now.unixMs };
    const page = pages.read(sandbox, outcome, before);
    const { samples, skippedLines, badLines } = page;
    metrics.leftOut(page.reasons);
    sandbox.answers.limits = page.limits.size === 0 ? NO_LIMITS : page.limits;
    if (samples === 0 && badLines > 0) {
      const text = `no usable line; the first fault: ${page.firstFault?.reason ?? "the page was cut"}`;
      this.#fail(sandbox, { ok: false, fault: "unusable", text }, durationMs);
      return;
    }
    log.page(sandbox, page);
    const partial = isPartial(page.schema);
    const complaint = answers.note({ nowMs: now.monotonicMs, durationMs, partial });
    this.applyFinding(sandbox, complaint === undefined ? WELL : { kind: "answered", complaint });
    answers.lastMs = now.unixMs;
    const facts = { ...before, limits: sandbox.answers.limits };
    const { schema, values, ownPoints } = pages.columns(sandbox, page, facts);
    const scrape = { up: true, durationMs, samples, partial, skippedLines, badLines };
    pages.own.fill(values, { condition: sandbox.condition, facts, scrape });
    metrics.scraped(pointCount(schema) - ownPoints);
    shown.handOn(sandbox, schema, values);
  }

  #fail(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: false }, durationMs: number): void {
    const { settings, metrics, shown } = this.#options;
    const { fault, text, limit } = outcome;
    if (fault !== "unusable") sandbox.answers.limits = limit === undefined ? NO_LIMITS : new Set([limit]);
    settings.logger.debug({ sandbox: sandbox.found.id, fault, text }, "Scrape failed.");
    this.applyFinding(sandbox, { kind: "failed", fault, text });
    metrics.failed(fault);
    if (sandbox.condition.state !== "pending" || shown.has(sandbox))
      this.#report(sandbox, { ...NO_PAGE, durationMs });
  }

  /** Hands on a reading of the agent's own families alone. */
  #report(sandbox: Sandbox, scrape: ScrapeReport): void {
    const { pages, shown, settings } = this.#options;
    const { condition } = sandbox;
    const facts = factsOf(sandbox, settings.host.single(WITNESSES));
    const { schema } = pages.own.shape(condition, facts);
    const values = new Float64Array(schema.width);
    pages.own.fill(values, { condition, facts, scrape });
    shown.handOn(sandbox, schema, values);
  }
}
