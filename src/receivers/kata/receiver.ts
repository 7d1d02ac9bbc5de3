import { join } from "node:path";
import type { Counter } from "@opentelemetry/api";
import type { Consumer, Receiver, Settings } from "../../component/component.ts";
import { type Family, pointCount, type Reading, type Schema } from "../../metrics/model.ts";
import { type Page, PageParser, type ParseLimits } from "../../prometheus/parse.ts";
import { Discovery, type FoundSandbox, type Root } from "./discovery.ts";
import { FailureLog } from "./failure_log.ts";
import { OwnFamilies, type ScrapeReport, STATES } from "./own_families.ts";
import { checkReadiness, SOCKET_NAME } from "./readiness.ts";
import { Sandbox, stateAfter } from "./sandbox.ts";
import { nextDelayMs, nextLookMs, Slots } from "./schedule.ts";
import { type ScrapeOutcome, Scraper } from "./scrape.ts";
import { RootWatch } from "./watch.ts";

export interface KataConfig {
  readonly roots: readonly Root[];
  readonly intervalMs: number;
  readonly initialDelayMs: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly reconcileIntervalMs: number;
  readonly unsafeHypervisors: readonly string[];
  readonly limits: ParseLimits & {
    readonly headerBytesMax: number;
    readonly bodyBytesMax: number;
    readonly sandboxesMax: number;
  };
}

/** Many hints come together when a pod starts or ends. */
const HINT_DELAY_MS = 30;
const LF = 10;

/** Finds the node's sandboxes in the file system and scrapes each at its own rhythm. */
export class KataReceiver implements Receiver {
  readonly #config: KataConfig;
  readonly #settings: Settings;
  readonly #next: Consumer;
  readonly #parser: PageParser;
  readonly #own: OwnFamilies;
  readonly #discovery: Discovery;
  readonly #watches: readonly RootWatch[];
  readonly #slots: Slots<Scraper>;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #failures: FailureLog;
  readonly #counters: Readonly<Record<"accepted" | "refused" | "scraped" | "errored", Counter>>;
  readonly #timers = new Map<"hint" | "reconcile" | "round", () => void>();
  readonly #jobs = new Set<Promise<void>>();
  #reconciling: Promise<void> | undefined;
  #reconcileAgain: "names" | "thorough" | undefined;
  #stopped = false;

  constructor(config: KataConfig, settings: Settings, next: Consumer) {
    this.#config = config;
    this.#settings = settings;
    this.#next = next;
    const { interner, clock, logger } = settings;
    const { limits, timeoutMs, concurrency } = config;
    this.#parser = new PageParser({ interner, limits, rename: renameFamily });
    this.#own = new OwnFamilies(interner);
    this.#failures = new FailureLog(logger, clock);
    const events = {
      found: (found: FoundSandbox) => this.#found(found),
      gone: (found: FoundSandbox) => this.#gone(found),
      rootState: (root: Root, error: string | undefined) => this.#rootState(root, error),
      ignored: (path: string, reason: string) => logger.warn({ path, reason }, "Directory entry is ignored."),
    };
    this.#discovery = new Discovery({ roots: config.roots, sandboxesMax: limits.sandboxesMax, events });
    this.#watches = config.roots.map(
      (root) =>
        new RootWatch(root, {
          onHint: (id) => this.#hint(id),
          onError: (error) =>
            logger.warn({ root: root.path, error: error.message }, "Watching failed; reconciling goes on."),
        }),
    );
    const { headerBytesMax, bodyBytesMax } = limits;
    const scrapeOptions = { clock, timeoutMs, headerBytesMax, bodyBytesMax };
    this.#slots = new Slots(Array.from({ length: concurrency }, () => new Scraper(scrapeOptions)));
    this.#counters = createCounters(settings);
    this.#observeStates();
  }

  start(): Promise<void> {
    const { initialDelayMs, reconcileIntervalMs, intervalMs } = this.#config;
    this.#every("reconcile", reconcileIntervalMs, () => this.#reconcile("thorough"));
    this.#every("round", intervalMs, () => this.#parser.nextRound());
    this.#after("hint", initialDelayMs, () => this.#reconcile("thorough"));
    return Promise.resolve();
  }

  async shutdown(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    for (const sandbox of this.#sandboxes.values()) sandbox.end();
    this.#sandboxes.clear();
    await Promise.all(this.#watches.map((watch) => watch.close()));
    await this.#reconciling;
    await Promise.all(this.#jobs);
  }

  #after(name: "hint" | "reconcile" | "round", delayMs: number, job: () => void): void {
    this.#timers.get(name)?.();
    if (!this.#stopped) this.#timers.set(name, this.#settings.clock.after(delayMs, job));
  }

  #every(name: "reconcile" | "round", intervalMs: number, job: () => void): void {
    this.#after(name, intervalMs, () => {
      job();
      this.#every(name, intervalMs, job);
    });
  }

  /** A sandbox's file changed: that one is looked at. Anything else: the roots are. */
  #hint(id: string | undefined): void {
    const sandbox = id === undefined ? undefined : this.#sandboxes.get(id);
    if (sandbox !== undefined && sandbox.state === "pending") this.#schedule(sandbox, 0);
    if (sandbox === undefined) this.#after("hint", HINT_DELAY_MS, () => this.#reconcile("names"));
  }

  /** One pass at a time; what is asked for meanwhile follows it. */
  #reconcile(depth: "names" | "thorough"): void {
    if (this.#stopped) return;
    if (this.#reconciling !== undefined) {
      if (this.#reconcileAgain !== "thorough") this.#reconcileAgain = depth;
      return;
    }
    this.#reconciling = this.#pass(depth).finally(() => {
      this.#reconciling = undefined;
      const again = this.#reconcileAgain;
      this.#reconcileAgain = undefined;
      if (again !== undefined) this.#reconcile(again);
    });
  }

  async #pass(depth: "names" | "thorough"): Promise<void> {
    await this.#discovery.reconcile(depth === "thorough");
    for (const watch of this.#watches) if (!this.#stopped) await watch.arm();
  }

  #found(found: FoundSandbox): void {
    if (this.#stopped) return;
    const { id, runtime } = found;
    const resource = {
      key: `${this.#settings.id}/${id}`,
      attributes: [
        { key: "kata.sandbox.id", value: id },
        { key: "kata.runtime", value: runtime },
      ],
    };
    const source = this.#parser.source(this.#own.families("up"));
    const sandbox = new Sandbox(found, { resource, source, nowMs: this.#settings.clock.monotonicMs() });
    this.#sandboxes.set(id, sandbox);
    this.#settings.logger.info({ sandbox: id, runtime }, "Sandbox found.");
    this.#schedule(sandbox, 0);
  }

  #gone({ id }: FoundSandbox): void {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    this.#sandboxes.delete(id);
    sandbox.end();
    this.#settings.logger.info({ sandbox: id }, "Sandbox ended.");
    if (sandbox.shown) this.#next.end({ resource: sandbox.resource, timeMs: this.#settings.clock.nowMs() });
  }

  #rootState({ path }: Root, error: string | undefined): void {
    const { logger } = this.#settings;
    if (error === undefined) logger.info({ root: path }, "Root can be read again.");
    else logger.warn({ root: path, error }, "Root cannot be read; its sandboxes stay as they are.");
  }

  #schedule(sandbox: Sandbox, delayMs: number): void {
    sandbox.cancelTimer();
    if (sandbox.ended || sandbox.busy) return;
    sandbox.cancelTimer = this.#settings.clock.after(delayMs, () => {
      sandbox.busy = true;
      const job = this.#visit(sandbox).finally(() => this.#jobs.delete(job));
      this.#jobs.add(job);
    });
  }

  /** Looks at the sandbox, scrapes it where it is ready, and sees to the next visit. */
  async #visit(sandbox: Sandbox): Promise<void> {
    const { clock } = this.#settings;
    const { intervalMs } = this.#config;
    // A shim that has answered stays what it is; only one that has not is looked at first.
    const ready = sandbox.state === "up" || (await this.#look(sandbox));
    if (ready) await this.#slots.run((scraper) => this.#scrape(sandbox, scraper));
    sandbox.busy = false;
    const nowMs = clock.monotonicMs();
    const delayMs =
      sandbox.state === "pending"
        ? nextLookMs(nowMs - sandbox.foundAtMs)
        : nextDelayMs(nowMs, sandbox.phase, intervalMs, sandbox.timeouts);
    this.#schedule(sandbox, delayMs);
  }

  async #look(sandbox: Sandbox): Promise<boolean> {
    const readiness = await checkReadiness(sandbox.found, new Set(this.#config.unsafeHypervisors));
    if (sandbox.ended) return false;
    if (readiness.state === "ready") return true;
    const { state, reason } = readiness;
    if (state === "unsafe" && sandbox.state !== "unsafe") {
      this.#settings.logger.warn({ sandbox: sandbox.found.id, reason }, "Sandbox is not scraped.");
    }
    sandbox.state = state;
    sandbox.reason = reason;
    if (state === "unsafe") this.#report(sandbox, NOT_SCRAPED);
    return false;
  }

  async #scrape(sandbox: Sandbox, scraper: Scraper): Promise<void> {
    if (sandbox.ended) return;
    const { clock } = this.#settings;
    const startedMs = clock.monotonicMs();
    const outcome = await scraper.scrape(join(sandbox.found.directory, SOCKET_NAME), sandbox.ending.signal);
    if (sandbox.ended) return;
    const durationMs = clock.monotonicMs() - startedMs;
    if (outcome.ok) this.#accept(sandbox, outcome, durationMs);
    else this.#fail(sandbox, outcome, durationMs);
  }

  #accept(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: true }, durationMs: number): void {
    const length = outcome.whole ? outcome.length : wholeLines(outcome.page, outcome.length);
    const cutLines = length < outcome.length ? 1 : 0;
    const page = sandbox.source.parse(outcome.page, length);
    if (page.samples === 0 && page.badLines > 0) {
      const text = `no usable line; the first fault: ${page.firstFault?.reason ?? "none"}`;
      this.#fail(sandbox, { ok: false, fault: "malformed", text }, durationMs);
      return;
    }
    if (sandbox.state !== "up" && sandbox.shown) {
      this.#settings.logger.info(
        { sandbox: sandbox.found.id, before: sandbox.state },
        "Sandbox answers again.",
      );
    }
    sandbox.state = "up";
    sandbox.reason = "";
    sandbox.timeouts = 0;
    this.#noteFaults(sandbox, page);
    const { samples, skippedLines } = page;
    const points = pointCount(page.schema) - this.#own.pointCount;
    this.#counters.scraped.add(points, { receiver: this.#settings.id, scraper: "shim" });
    const partial = isPartial(page.schema);
    const badLines = page.badLines + cutLines;
    this.#own.fill(page.values, { up: true, durationMs, samples, partial, skippedLines, badLines });
    this.#hand(sandbox, page.schema, page.values);
  }

  #fail(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: false }, durationMs: number): void {
    const { fault, text } = outcome;
    sandbox.state = stateAfter(fault);
    sandbox.reason = text;
    sandbox.timeouts = fault === "timeout" ? sandbox.timeouts + 1 : 0;
    this.#failures.note("Scrapes failed.", { sandbox: sandbox.found.id, fault, text });
    // How many points were lost is not known; one failed scrape counts as one.
    this.#counters.errored.add(1, { receiver: this.#settings.id, scraper: "shim" });
    if (sandbox.state !== "pending" || sandbox.shown) this.#report(sandbox, { ...NOT_SCRAPED, durationMs });
  }

  #noteFaults(sandbox: Sandbox, { badLines, skippedLines, firstFault }: Page): void {
    if (badLines === 0 && skippedLines === 0) return;
    const text = `line ${firstFault?.line ?? 0}: ${firstFault?.reason ?? "unknown"}`;
    this.#failures.note("Pages have lines that cannot be used.", {
      sandbox: sandbox.found.id,
      fault: "bad_lines",
      text,
    });
  }

  /** A reading of the agent's own families alone. */
  #report(sandbox: Sandbox, report: ScrapeReport): void {
    const schema = this.#own.schema(sandbox.state);
    const values = new Float64Array(schema.width);
    this.#own.fill(values, report);
    this.#hand(sandbox, schema, values);
  }

  #hand(sandbox: Sandbox, schema: Schema, values: Float64Array): void {
    const { resource, found } = sandbox;
    const reading: Reading = {
      resource,
      schema,
      values,
      timeMs: this.#settings.clock.nowMs(),
      startMs: found.bornMs,
    };
    sandbox.shown = true;
    const verdict = this.#next.consume(reading);
    this.#counters[verdict].add(pointCount(schema), { receiver: this.#settings.id, transport: "unix" });
  }

  #observeStates(): void {
    this.#settings.meter
      .createObservableGauge("kata_collector_sandboxes", {
        unit: "{sandbox}",
        description: "Sandboxes by state.",
      })
      .addCallback((result) => {
        for (const state of STATES) {
          let count = 0;
          for (const sandbox of this.#sandboxes.values()) if (sandbox.state === state) count++;
          result.observe(count, { receiver: this.#settings.id, state });
        }
      });
  }
}

const NOT_SCRAPED: ScrapeReport = {
  up: false,
  durationMs: 0,
  samples: 0,
  partial: false,
  skippedLines: 0,
  badLines: 0,
};

/** As kata-monitor names the shim's own Go families, so that the agent's cannot be taken for them. */
function renameFamily(name: string): string {
  return name.startsWith("go_") || name.startsWith("process_") ? `kata_shim_${name}` : name;
}

const partialSchemas = new WeakMap<Schema, boolean>();

/** Whether the guest agent's part is missing: it always counts its scrapes. */
function isPartial(schema: Schema): boolean {
  let partial = partialSchemas.get(schema);
  if (partial === undefined) {
    partial = !schema.families.some(({ name }: Family) => name === "kata_agent_scrape_count");
    partialSchemas.set(schema, partial);
  }
  return partial;
}

/** Up to the last line feed: a number that may be cut must never be taken for the whole one. */
function wholeLines(page: Buffer, length: number): number {
  return page.subarray(0, length).lastIndexOf(LF) + 1;
}

function createCounters({
  meter,
}: Settings): Record<"accepted" | "refused" | "scraped" | "errored", Counter> {
  const counter = (name: string, description: string): Counter =>
    meter.createCounter(name, { unit: "{datapoint}", description });
  return {
    accepted: counter(
      "otelcol_receiver_accepted_metric_points",
      "Number of metric points successfully pushed into the pipeline.",
    ),
    refused: counter(
      "otelcol_receiver_refused_metric_points",
      "Number of metric points that could not be pushed into the pipeline.",
    ),
    scraped: counter(
      "otelcol_scraper_scraped_metric_points",
      "Number of metric points successfully scraped.",
    ),
    errored: counter(
      "otelcol_scraper_errored_metric_points",
      "Number of metric points that were unable to be scraped.",
    ),
  };
}
