// SPDX-License-Identifier: Apache-2.0
import { aborted } from "../../clock/abort.ts";
import type { Receiver, Settings } from "../../component/component.ts";
import type { Consumer } from "../../component/consumer.ts";
import {
  type LastScrape,
  type RawPage,
  SANDBOX_SOURCES,
  type SandboxSource,
  type SandboxStatus,
} from "../../kata/sandboxes.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { AgentUrls } from "./agent_urls.ts";
import type { KataConfig } from "./config.ts";
import type { Departure } from "./discovery/discovery.ts";
import type { FoundSandbox } from "./discovery/found_sandbox.ts";
import type { Root } from "./discovery/root.ts";
import type { RootState } from "./discovery/root_state.ts";
import { ScanScheduler } from "./discovery/scan_scheduler.ts";
import { every } from "./every.ts";
import { Pages } from "./pages/pages.ts";
import { shimPart } from "./pages/shim_page.ts";
import { ReadinessCheck } from "./proof/readiness.ts";
import { RawPages } from "./raw_pages.ts";
import { ReceiverMetrics } from "./receiver_metrics.ts";
import { ReceiverStatus } from "./receiver_status.ts";
import { Answers } from "./sandbox/answers.ts";
import { instantOf } from "./sandbox/instant.ts";
import { resourceOf, Sandbox, statusOf } from "./sandbox/sandbox.ts";
import { describeSandbox } from "./sandbox/sandbox_name.ts";
import { SandboxLog } from "./sandbox_log.ts";
import { Lanes } from "./scraping/lanes.ts";
import { PageMemory } from "./scraping/page_buffer.ts";
import { Scraper } from "./scraping/scrape.ts";
import { Shown } from "./shown.ts";
import { Visits } from "./visits.ts";

const MINUTE_MS = 60_000;
/**
 * The time between two regular reports of the receiver's status. The status also changes without an event, as when a
 * pod's start has taken too long, or when the container runtime has named a pod.
 */
const REPORT_MS = 10_000;
/**
 * The time for which `shutdown` waits for scrapes under way, since a shim that is cut off in its answer may leave the
 * guest out of its next pages.
 */
const SHUTDOWN_GRACE_MS = 1_000;

/**
 * Finds the node's sandboxes in the file system and scrapes each one at its own rhythm. The parts do the work; this class
 * connects them, starts and ends them, and answers questions about the sandboxes.
 */
export class KataReceiver implements Receiver, SandboxSource {
  readonly #config: KataConfig;
  readonly #settings: Settings;
  /** The sandboxes by directory. */
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #metrics: ReceiverMetrics;
  readonly #log: SandboxLog;
  readonly #status: ReceiverStatus;
  readonly #pages: Pages;
  readonly #shown: Shown;
  readonly #scans: ScanScheduler;
  readonly #visits: Visits;
  readonly #rawPages: RawPages;
  readonly #agentUrls: AgentUrls;
  /** Functions that undo what `start` began; empty before `start` and after `shutdown`. */
  #undo: readonly (() => void)[] = [];

  constructor(config: KataConfig, settings: Settings, next: Consumer) {
    this.#config = config;
    this.#settings = settings;
    const { interner } = settings;
    const { limits, intervalMs, shimFamilies, guestLabels } = config;
    this.#metrics = new ReceiverMetrics(settings);
    this.#log = new SandboxLog(settings);
    this.#status = new ReceiverStatus(settings, config.roots.length, this.#sandboxes);
    this.#pages = new Pages({ interner, limits, shimFamilies, guestLabels });
    this.#shown = new Shown(settings, this.#metrics, next);
    this.#rawPages = new RawPages(settings.clock, intervalMs);
    this.#scans = this.#createScans();
    const lanes = createLanes(config, settings);
    this.#visits = new Visits({
      settings,
      intervalMs,
      lanes,
      pages: this.#pages,
      shown: this.#shown,
      rawPages: this.#rawPages,
      metrics: this.#metrics,
      log: this.#log,
      onChange: (sandbox, before) => {
        this.#log.changed(sandbox, before);
        this.#status.report();
      },
      onGone: ({ found }) => this.#scans.lookAt(found),
      waiting: () => this.#scans.socketlessCount,
    });
    this.#agentUrls = new AgentUrls(settings, { intervalMs, lanes, visits: this.#visits });
  }

  start(): Promise<void> {
    const { clock, host, id } = this.#settings;
    const sandboxes = this.#sandboxes;
    this.#undo = [
      this.#metrics.observe(() => Array.from(sandboxes.values(), ({ condition }) => condition.state)),
      every(clock, this.#config.intervalMs, () => this.#nextRound()),
      every(clock, MINUTE_MS, () => this.#nextMinute()),
      every(clock, REPORT_MS, () => this.#status.report()),
      host.single(SANDBOX_SOURCES).add(id, this),
      this.#status.holdReadiness(),
    ];
    this.#scans.start();
    return Promise.resolve();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    for (const undo of this.#undo) undo();
    this.#undo = [];
    this.#scans.stop();
    this.#visits.stop();
    const overdue = aborted(deadline);
    const grace = Promise.withResolvers<void>();
    const cancelGrace = this.#settings.clock.after(SHUTDOWN_GRACE_MS, () => grace.resolve());
    await Promise.race([this.#visits.done(), grace.promise, overdue]);
    cancelGrace();
    for (const sandbox of this.#sandboxes.values()) this.#visits.end(sandbox);
    this.#log.summarize(this.#sandboxes.values());
    this.#sandboxes.clear();
    this.#rawPages.close();
    await Promise.race([this.#visits.done(), overdue]);
  }

  sandboxes(): readonly SandboxStatus[] {
    const witnesses = this.#settings.host.single(WITNESSES);
    return Array.from(this.#sandboxes.values(), (sandbox) => statusOf(sandbox, witnesses));
  }

  roots(): readonly string[] {
    return this.#status.hasScanned ? this.#config.roots.map(({ path }) => path) : [];
  }

  owns(identityKey: string): boolean {
    return this.#scans.owns(identityKey);
  }

  lastScrape(id: string): LastScrape | undefined {
    const sandbox = this.#sandboxOf(id);
    if (sandbox === undefined) return undefined;
    const fault = this.#whyNoPage(sandbox);
    if (fault !== undefined) return { ok: false, reason: fault };
    const latest = this.#shown.latest(sandbox);
    return latest === undefined
      ? { ok: false, reason: this.#noPage(sandbox, "another one of its id is shown in its place") }
      : { ok: true, reading: shimPart(latest.reading), ageMs: latest.ageMs };
  }

  rawPage(id: string): Promise<RawPage> | undefined {
    const sandbox = this.#sandboxOf(id);
    if (sandbox === undefined) return undefined;
    const fault = this.#whyNoPage(sandbox);
    if (fault !== undefined) return Promise.reject(new Error(fault));
    return this.#rawPages.page(sandbox).catch((error: Error) => {
      throw new Error(this.#noPage(sandbox, error.message));
    });
  }

  agentUrl(id: string): Promise<string> | undefined {
    const sandbox = this.#sandboxOf(id);
    return sandbox && this.#agentUrls.ask(sandbox);
  }

  /**
   * Returns the sandbox of this id. If several roots have a sandbox of this id, returns the one that the pipeline
   * shows, or the first if it shows none of them.
   */
  #sandboxOf(id: string): Sandbox | undefined {
    const found = [...this.#sandboxes.values()].filter((sandbox) => sandbox.found.id === id);
    return found.find((one) => this.#shown.has(one)) ?? found[0];
  }

  #whyNoPage(sandbox: Sandbox): string | undefined {
    const { state, reason } = sandbox.condition;
    return state === "up" ? undefined : this.#noPage(sandbox, `it is ${state}: ${reason}`);
  }

  #noPage(sandbox: Sandbox, detail: string): string {
    return `cannot show ${describeSandbox(sandbox, this.#settings.host.single(WITNESSES))}: ${detail}`;
  }

  #createScans(): ScanScheduler {
    const { roots, initialDelayMs, reconcileIntervalMs, limits } = this.#config;
    const { clock, logger, host, id } = this.#settings;
    return new ScanScheduler({
      id,
      sources: host.single(SANDBOX_SOURCES),
      clock,
      roots,
      initialDelayMs,
      reconcileIntervalMs,
      sandboxesMax: limits.sandboxesMax,
      events: {
        found: (found) => this.#found(found),
        gone: (found, why) => this.#gone(found, why),
        rootState: (root, state) => this.#rootState(root, state),
        ignored: (path, reason) => logger.warn({ path, reason }, "Directory entry is ignored."),
      },
      onWatchFault: (root, { message: error }) =>
        logger.warn({ root, error }, "Watching failed; reconciling goes on."),
    });
  }

  #nextRound(): void {
    this.#pages.nextRound();
    this.#rawPages.dropOld();
  }

  #nextMinute(): void {
    this.#pages.nextMinute();
    this.#log.summarize(this.#sandboxes.values());
  }

  #found(found: FoundSandbox): void {
    const { id, root, runtime, directory } = found;
    const { clock } = this.#settings;
    const allowed = this.#config.unsafeHypervisors;
    const sandbox = new Sandbox(found, {
      resource: resourceOf(`${this.#settings.id}/${id}`, id, runtime),
      source: this.#pages.source(),
      answers: new Answers(this.#config.timeoutMs),
      rank: this.#config.roots.indexOf(root),
      now: instantOf(clock),
      readiness: new ReadinessCheck(found, { allowed, nowMs: () => clock.nowMs() }),
    });
    this.#sandboxes.set(directory, sandbox);
    this.#log.found(sandbox);
    this.#visits.begin(sandbox);
  }

  #gone({ directory }: FoundSandbox, why: Departure): void {
    const sandbox = this.#sandboxes.get(directory);
    if (sandbox === undefined) return;
    this.#sandboxes.delete(directory);
    this.#visits.end(sandbox);
    this.#log.ended(sandbox, why);
    this.#shown.hide(sandbox);
    this.#status.report();
  }

  #rootState({ path, runtime }: Root, state: RootState): void {
    const { logger } = this.#settings;
    this.#status.rootState(path, state);
    if (state.state === "readable") logger.info({ root: path, runtime }, "Root is followed.");
    else if (state.state === "missing") logger.info({ root: path }, "Root is not there; it may come later.");
    else if (state.state === "removed")
      logger.error({ root: path, error: state.error }, "Root was removed; only a restart mends it.");
    else
      logger.warn({ root: path, error: state.error }, "Root cannot be read; its sandboxes stay as they are.");
  }
}

/** Makes the lanes in which scrapes run, with scrapers that share the memory of large pages. */
function createLanes({ limits, timeoutMs, concurrency }: KataConfig, { clock }: Settings): Lanes<Scraper> {
  const { headerBytesMax, bodyBytesMax } = limits;
  const memory = new PageMemory(limits.pageMemoryBytesMax);
  return new Lanes({
    clock,
    limit: concurrency,
    make: () => new Scraper({ clock, timeoutMs, headerBytesMax, bodyBytesMax, memory }),
  });
}
