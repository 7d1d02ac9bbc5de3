import { join } from "node:path";
import type { Settings } from "../../component/component.ts";
import type { NoRoom } from "../../component/consumer.ts";
import { pointCount } from "../../metrics/model.ts";
import type { Page } from "../../prometheus/parse.ts";
import { isStillThere } from "./discovery.ts";
import type { FailureLog } from "./failure_log.ts";
import type { ScrapeReport } from "./own_families.ts";
import type { Pages } from "./pages.ts";
import { checkReadiness, type Readiness, SOCKET_NAME, type UnsafeHypervisor } from "./readiness.ts";
import type { ReceiverMetrics } from "./receiver_metrics.ts";
import { type Finding, type Sandbox, standingAfter } from "./sandbox.ts";
import { type Lanes, nextVisitMs } from "./schedule.ts";
import type { ScrapeOutcome, Scraper } from "./scrape.ts";
import { isPartial } from "./shim_page.ts";
import type { Shown } from "./shown.ts";

export interface VisitsOptions {
  readonly settings: Settings;
  readonly intervalMs: number;
  readonly unsafeAllowed: ReadonlySet<UnsafeHypervisor>;
  readonly lanes: Lanes<Scraper>;
  readonly pages: Pages;
  readonly shown: Shown;
  readonly metrics: ReceiverMetrics;
  readonly failures: FailureLog;
  /** The sandbox's state is another one. */
  onChange(sandbox: Sandbox): void;
  /** The sandbox's directory is not the one that was found. */
  onGone(sandbox: Sandbox): void;
  /** How many sandboxes wait for their socket. */
  waiting(): number;
}

/** How soon a sandbox is visited again that a reload kept from being scraped: an exchange is short, an interval may be long. */
const EXCHANGE_MS = 1_000;

const NOTHING: ScrapeReport = {
  up: false,
  durationMs: 0,
  samples: 0,
  partial: false,
  skippedLines: 0,
  badLines: 0,
};

/**
 * Visits each sandbox at its own rhythm until it ends. A visit reads from top to bottom here: it looks whether the shim
 * may be asked, waits for a lane, scrapes, settles where the sandbox stands, and hands a reading on.
 */
export class Visits {
  readonly #options: VisitsOptions;
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: VisitsOptions) {
    this.#options = options;
  }

  /** Visits the sandbox after the delay, and again and again until it ends. */
  schedule(sandbox: Sandbox, delayMs: number): void {
    if (this.#stopped || sandbox.ended) return;
    sandbox.cancelTimer = this.#options.settings.clock.after(delayMs, () => {
      const visit = this.#visit(sandbox).finally(() => this.#running.delete(visit));
      this.#running.add(visit);
    });
  }

  /** No visit begins from now on; those under way go on. */
  stop(sandboxes: Iterable<Sandbox>): void {
    this.#stopped = true;
    for (const sandbox of sandboxes) sandbox.cancelTimer();
  }

  /** Resolves when the visits under way are over. */
  async done(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Visits the sandbox and sees to the next visit: one follows the other, so that no shim has two scrapes at a time. */
  async #visit(sandbox: Sandbox): Promise<void> {
    const { settings, intervalMs, waiting } = this.#options;
    let noRoom: NoRoom | undefined;
    try {
      noRoom = await sandbox.inTurn(() => this.#attend(sandbox));
    } catch (error) {
      // One sandbox's page must not end the agent, and with it the metrics of all pods.
      settings.logger.error({ sandbox: sandbox.found.id, error }, "BUG: Visit to a sandbox failed.");
    }
    const nowMs = settings.clock.monotonicMs();
    const { phase, foundAtMs, standing } = sandbox;
    const nextMs = nextVisitMs(standing, {
      nowMs,
      intervalMs,
      phase,
      ageMs: nowMs - foundAtMs,
      waiting: waiting(),
    });
    this.schedule(sandbox, noRoom === "exchange" ? Math.min(nextMs, EXCHANGE_MS) : nextMs);
  }

  /** Scrapes the sandbox if it may be asked and the pipeline has room; otherwise returns why there is no room. */
  async #attend(sandbox: Sandbox): Promise<NoRoom | undefined> {
    const { lanes, shown, metrics } = this.#options;
    if (sandbox.ended || !this.#isReady(sandbox)) return undefined;
    return await lanes.run(async (scraper) => {
      // While it waited for its turn, another shim may have come to its place that must not be asked.
      if (!this.#isReady(sandbox)) return undefined;
      const noRoom = shown.noRoom(sandbox);
      if (noRoom === undefined) await this.#scrape(sandbox, scraper);
      else metrics.skipped(noRoom);
      return noRoom;
    });
  }

  /** Looks whether the sandbox is still the one that was found, and may be asked; says so where it may not. */
  #isReady(sandbox: Sandbox): boolean {
    const { settings, failures, shown } = this.#options;
    const readiness = this.readiness(sandbox);
    if (readiness === undefined) return false;
    if (readiness.state === "ready") return true;
    const before = sandbox.standing.state;
    const { state, code, reason } = readiness;
    const { id } = sandbox.found;
    this.settle(sandbox, { kind: "not_ready", why: readiness });
    if (state === "unsafe" && before !== "unsafe")
      settings.logger.warn({ sandbox: id, reason }, "Sandbox is not scraped.");
    if (code === "unreadable")
      failures.note("Sandboxes cannot be looked at.", { of: id, fault: code, text: reason });
    // One that waits for its socket has nothing to show, but what has been shown of it must not stand as it was.
    if (before !== "pending" && shown.has(sandbox)) sandbox.isOutdated = true;
    if (state === "unsafe" || code === "unreadable" || sandbox.isOutdated) this.#reportIfRoom(sandbox);
    return false;
  }

  /** Looks whether the sandbox may be asked. Undefined where it has gone. */
  readiness(sandbox: Sandbox): Readiness | undefined {
    const { settings, unsafeAllowed, onGone } = this.#options;
    if (sandbox.ended) return undefined;
    if (!isStillThere(sandbox.found)) {
      onGone(sandbox);
      return undefined;
    }
    sandbox.noteLife();
    const readiness = checkReadiness(sandbox.found, {
      allowed: unsafeAllowed,
      answered: sandbox.lastAnswerMs === undefined ? undefined : sandbox.shim,
      livedWith: sandbox.livedWith,
      nowMs: settings.clock.nowMs(),
    });
    if (readiness.state === "ready") sandbox.shim = readiness.shim;
    return readiness;
  }

  /** Moves the sandbox to where it stands after the finding. */
  settle(sandbox: Sandbox, finding: Finding): void {
    const before = sandbox.standing.state;
    sandbox.standing = standingAfter(sandbox.standing, finding);
    if (sandbox.standing.state !== before) this.#options.onChange(sandbox);
  }

  async #scrape(sandbox: Sandbox, scraper: Scraper): Promise<void> {
    const { clock } = this.#options.settings;
    const startMs = clock.monotonicMs();
    const outcome = await scraper.scrape(join(sandbox.found.directory, SOCKET_NAME), sandbox.ending);
    const durationMs = clock.monotonicMs() - startMs;
    try {
      if (sandbox.ended) return;
      if (outcome.ok) this.#accept(sandbox, outcome, durationMs);
      else this.#fail(sandbox, outcome, durationMs);
    } finally {
      scraper.release();
    }
  }

  #accept(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: true }, durationMs: number): void {
    const { settings, pages, metrics, shown } = this.#options;
    const page = pages.read(sandbox, outcome);
    const { schema, values, samples, skippedLines, badLines } = page;
    metrics.leftOut(page.reasons);
    if (samples === 0 && badLines > 0) {
      const text = `no usable line; the first fault: ${page.firstFault?.reason ?? "none"}`;
      this.#fail(sandbox, { ok: false, fault: "unusable", text }, durationMs);
      return;
    }
    sandbox.lastAnswerMs = settings.clock.nowMs();
    this.settle(sandbox, { kind: "answered" });
    this.#noteFaults(sandbox, page);
    const partial = isPartial(schema);
    pages.own.fill(values, { up: true, durationMs, samples, partial, skippedLines, badLines });
    metrics.scraped(pointCount(schema) - pages.own.pointCount);
    shown.hand(sandbox, schema, values);
  }

  #fail(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: false }, durationMs: number): void {
    const { failures, metrics, shown } = this.#options;
    const { fault, text } = outcome;
    this.settle(sandbox, { kind: "failed", fault, text });
    failures.note("Scrapes failed.", { of: sandbox.found.id, fault, text });
    metrics.failed(fault);
    if (sandbox.standing.state !== "pending" || shown.has(sandbox))
      this.#report(sandbox, { ...NOTHING, durationMs });
  }

  #noteFaults(sandbox: Sandbox, { badLines, skippedLines, firstFault }: Page): void {
    if (badLines === 0 && skippedLines === 0) return;
    const text = `line ${firstFault?.line ?? 0}: ${firstFault?.reason ?? "unknown"}`;
    const fault = badLines > 0 ? "bad_lines" : "skipped_lines";
    const { failures } = this.#options;
    failures.note("Pages have lines that cannot be used.", { of: sandbox.found.id, fault, text });
  }

  /** Reports that the sandbox is not scraped; where there is no room for that, the next visit does. */
  #reportIfRoom(sandbox: Sandbox): void {
    if (this.#options.shown.noRoom(sandbox) === undefined) this.#report(sandbox, NOTHING);
  }

  /** A reading of the agent's own families alone. */
  #report(sandbox: Sandbox, report: ScrapeReport): void {
    const { pages, shown } = this.#options;
    sandbox.isOutdated = false;
    const { state, code } = sandbox.standing;
    const schema = pages.own.schema(state, code);
    const values = new Float64Array(schema.width);
    pages.own.fill(values, report);
    shown.hand(sandbox, schema, values);
  }
}
