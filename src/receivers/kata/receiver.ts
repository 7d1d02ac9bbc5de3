import { join } from "node:path";
import type { Receiver, Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import type { SandboxSource, SandboxStatus } from "../../component/sandboxes.ts";
import { pointCount, type Schema } from "../../metrics/model.ts";
import { type Page, PageParser, type ParseLimits } from "../../prometheus/parse.ts";
import type { PageTrust } from "../../prometheus/trust.ts";
import { Discovery, type FoundSandbox, isStillThere, type Root, type RootState } from "./discovery.ts";
import { FailureLog } from "./failure_log.ts";
import { defineFamily, IDENTITY_LABELS, type ShimKind, trustOf } from "./families.ts";
import type { ResponseLimits } from "./http_response.ts";
import { OwnFamilies, type ScrapeReport } from "./own_families.ts";
import { PageMemory } from "./page_buffer.ts";
import { checkReadiness, type Readiness, SOCKET_NAME, type UnsafeHypervisor } from "./readiness.ts";
import { ReceiverMetrics } from "./receiver_metrics.ts";
import { type Finding, outranks, Sandbox, standingAfter, statusOf } from "./sandbox.ts";
import { Lanes, nextVisitMs } from "./schedule.ts";
import { type Asked, type ScrapeOutcome, Scraper } from "./scrape.ts";
import { isPartial, wholeLines } from "./shim_page.ts";
import { RootWatch } from "./watch.ts";

export interface KataConfig {
  readonly roots: readonly Root[];
  readonly intervalMs: number;
  readonly initialDelayMs: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly reconcileIntervalMs: number;
  readonly unsafeHypervisors: readonly UnsafeHypervisor[];
  readonly shimFamilies: readonly string[];
  readonly limits: ParseLimits &
    ResponseLimits & { readonly pageMemoryBytesMax: number; readonly sandboxesMax: number };
}

/** Many hints come together when a pod starts or ends. */
const HINT_DELAY_MS = 30;

const MINUTE_MS = 60_000;
/** A shim that is cut off in its answer may keep the guest's part from whoever asks next. */
const SHUTDOWN_GRACE_MS = 1_000;

/** How soon a sandbox is visited again that a reload kept from being scraped: an exchange is short, an interval may be long. */
const EXCHANGE_MS = 1_000;

/** However many ask for a shim's page by name, it is asked no more often. */
const ASK_AGAIN_MS = 1_000;

type TimerName = "look" | "hint" | "round" | "minute";

const NOTHING: ScrapeReport = {
  up: false,
  durationMs: 0,
  samples: 0,
  partial: false,
  skippedLines: 0,
  badLines: 0,
};

/** Finds the node's sandboxes in the file system and scrapes each at its own rhythm. */
export class KataReceiver implements Receiver, SandboxSource {
  readonly #config: KataConfig;
  readonly #settings: Settings;
  readonly #next: Consumer;
  readonly #parser: PageParser;
  readonly #own: OwnFamilies;
  readonly #discovery: Discovery;
  readonly #watches: readonly RootWatch[];
  readonly #lanes: Lanes<Scraper>;
  readonly #failures: FailureLog;
  readonly #metrics: ReceiverMetrics;
  readonly #trusts: Readonly<Record<ShimKind, PageTrust>>;
  readonly #unsafeAllowed: ReadonlySet<UnsafeHypervisor>;
  /** By directory. */
  readonly #sandboxes = new Map<string, Sandbox>();
  /** By id: the sandbox that has a reading in the pipeline, and thus needs an end. */
  readonly #shown = new Map<string, Sandbox>();
  /** Roots that are there and cannot be read. */
  readonly #unreadable = new Set<string>();
  readonly #visits = new Set<Promise<void>>();
  readonly #timers = new Map<TimerName, () => void>();
  #withdraw: () => void = () => {};
  #stopObserving: () => void = () => {};
  #stopped = false;

  constructor(config: KataConfig, settings: Settings, next: Consumer) {
    this.#config = config;
    this.#settings = settings;
    this.#next = next;
    const { interner, clock, logger } = settings;
    const { limits, timeoutMs, concurrency } = config;
    this.#parser = new PageParser({
      interner,
      limits,
      define: defineFamily,
      reservedLabels: IDENTITY_LABELS,
    });
    this.#trusts = {
      go: trustOf("go", config.shimFamilies),
      rs: trustOf("rs", config.shimFamilies),
      "rs-dragonball": trustOf("rs-dragonball", config.shimFamilies),
    };
    this.#own = new OwnFamilies(interner);
    this.#failures = new FailureLog(logger, clock);
    this.#metrics = new ReceiverMetrics(settings);
    this.#unsafeAllowed = new Set(config.unsafeHypervisors);
    const events = {
      found: (found: FoundSandbox) => this.#found(found),
      gone: (found: FoundSandbox) => this.#gone(found),
      rootState: (root: Root, state: RootState) => this.#rootState(root, state),
      ignored: (path: string, reason: string) => logger.warn({ path, reason }, "Directory entry is ignored."),
    };
    this.#discovery = new Discovery({ roots: config.roots, sandboxesMax: limits.sandboxesMax, events });
    this.#watches = config.roots.map(({ path }) => this.#watchOf(path));
    const { headerBytesMax, bodyBytesMax } = limits;
    const memory = new PageMemory(limits.pageMemoryBytesMax);
    this.#lanes = new Lanes({
      clock,
      limit: concurrency,
      make: () => new Scraper({ clock, timeoutMs, headerBytesMax, bodyBytesMax, memory }),
    });
  }

  start(): Promise<void> {
    const sandboxes = this.#sandboxes;
    this.#stopObserving = this.#metrics.observe(() =>
      Array.from(sandboxes.values(), ({ standing }) => standing.state),
    );
    this.#after("look", this.#config.initialDelayMs, () => this.#lookAgainAndAgain());
    this.#after("round", this.#config.intervalMs, () => this.#nextRound());
    this.#after("minute", MINUTE_MS, () => this.#nextMinute());
    this.#withdraw = this.#settings.host.sandboxes.add(this.#settings.id, this);
    return Promise.resolve();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#stopped = true;
    this.#withdraw();
    this.#stopObserving();
    for (const cancel of this.#timers.values()) cancel();
    for (const sandbox of this.#sandboxes.values()) sandbox.cancelTimer();
    const overdue = aborted(deadline);
    const grace = Promise.withResolvers<void>();
    const cancelGrace = this.#settings.clock.after(SHUTDOWN_GRACE_MS, () => grace.resolve());
    await Promise.race([Promise.all(this.#visits), grace.promise, overdue]);
    cancelGrace();
    for (const sandbox of this.#sandboxes.values()) {
      sandbox.end();
    }
    this.#sandboxes.clear();
    this.#failures.flush();
    const closed = Promise.all([...this.#visits, ...this.#watches.map((watch) => watch.close())]);
    await Promise.race([closed, overdue]);
  }

  sandboxes(): readonly SandboxStatus[] {
    const { witnesses } = this.#settings.host;
    return Array.from(this.#sandboxes.values(), (sandbox) => statusOf(sandbox, witnesses));
  }

  roots(): readonly string[] {
    return this.#config.roots.map(({ path }) => path);
  }

  owns(identityKey: string): boolean {
    return [...this.#sandboxes.values()].some(({ found }) => found.identity.key === identityKey);
  }

  ask(id: string, what: Asked): Promise<Buffer> | undefined {
    const found = [...this.#sandboxes.values()].filter((sandbox) => sandbox.found.id === id);
    const sandbox = found.find((one) => this.#shown.get(id) === one) ?? found[0];
    if (sandbox === undefined || this.#stopped) return undefined;
    let answer = sandbox.asked.get(what);
    if (answer === undefined) {
      answer = sandbox.inTurn(() => this.#ask(sandbox, what));
      sandbox.asked.set(what, answer);
      const forget = (): void => {
        this.#settings.clock.after(ASK_AGAIN_MS, () => sandbox.asked.delete(what));
      };
      answer.then(forget, forget);
    }
    return answer;
  }

  #watchOf(path: string): RootWatch {
    return new RootWatch({
      path,
      onHint: () => this.#hint(),
      onError: (error) => {
        const fault = (error as NodeJS.ErrnoException).code ?? "error";
        this.#failures.note("Watching failed; reconciling goes on.", {
          of: path,
          fault,
          text: error.message,
        });
      },
    });
  }

  #after(name: TimerName, delayMs: number, job: () => void): void {
    const cancel = this.#settings.clock.after(delayMs, () => {
      this.#timers.delete(name);
      job();
    });
    this.#timers.set(name, cancel);
  }

  #lookAgainAndAgain(): void {
    for (const watch of this.#watches) watch.arm();
    this.#reconcile();
    this.#after("look", this.#config.reconcileIntervalMs, () => this.#lookAgainAndAgain());
  }

  /** The first hint sets the time of the look, so that a stream of them cannot put it off. */
  #hint(): void {
    if (this.#stopped || this.#timers.has("hint")) return;
    this.#after("hint", HINT_DELAY_MS, () => this.#reconcile());
  }

  #reconcile(): void {
    if (!this.#discovery.reconcile()) this.#hint();
  }

  #nextRound(): void {
    this.#parser.nextRound();
    this.#after("round", this.#config.intervalMs, () => this.#nextRound());
  }

  #nextMinute(): void {
    this.#parser.nextMinute();
    this.#after("minute", MINUTE_MS, () => this.#nextMinute());
  }

  #found(found: FoundSandbox): void {
    const { id, root, directory } = found;
    const resource = {
      key: `${this.#settings.id}/${id}`,
      attributes: [
        { key: "kata.sandbox.id", value: id },
        { key: "kata.runtime", value: root.runtime },
      ],
    };
    const source = this.#parser.source(this.#own.families);
    const rank = this.#config.roots.indexOf(root);
    const nowMs = this.#settings.clock.monotonicMs();
    const sandbox = new Sandbox(found, { resource, source, rank, nowMs });
    this.#sandboxes.set(directory, sandbox);
    this.#settings.logger.info({ sandbox: id, runtime: root.runtime }, "Sandbox found.");
    this.#schedule(sandbox, 0);
  }

  #gone({ id, directory }: FoundSandbox): void {
    const sandbox = this.#sandboxes.get(directory);
    if (sandbox === undefined) return;
    this.#sandboxes.delete(directory);
    sandbox.end();
    this.#settings.logger.info({ sandbox: id }, "Sandbox ended.");
    if (this.#shown.get(id) === sandbox) this.#hide(sandbox);
    this.#reportStatus();
  }

  #rootState({ path }: Root, state: RootState): void {
    const { logger } = this.#settings;
    if (state.state === "unreadable") this.#unreadable.add(path);
    else this.#unreadable.delete(path);
    this.#reportStatus();
    if (state.state === "readable") logger.info({ root: path }, "Root is followed.");
    else if (state.state === "missing") logger.info({ root: path }, "Root is not there; it may come later.");
    else
      logger.warn({ root: path, error: state.error }, "Root cannot be read; its sandboxes stay as they are.");
  }

  #schedule(sandbox: Sandbox, delayMs: number): void {
    if (sandbox.ended) return;
    sandbox.cancelTimer = this.#settings.clock.after(delayMs, () => {
      const visit = this.#visit(sandbox).finally(() => this.#visits.delete(visit));
      this.#visits.add(visit);
    });
  }

  /** Visits the sandbox and sees to the next visit: one follows the other, so that no shim has two scrapes at a time. */
  async #visit(sandbox: Sandbox): Promise<void> {
    const { clock, logger } = this.#settings;
    let noRoom: NoRoom | undefined;
    try {
      noRoom = await sandbox.inTurn(() => this.#attend(sandbox));
    } catch (error) {
      // One sandbox's page must not end the agent, and with it the metrics of all pods.
      logger.error({ sandbox: sandbox.found.id, error }, "BUG: Visit to a sandbox failed.");
    }
    const nowMs = clock.monotonicMs();
    const { phase, foundAtMs, standing } = sandbox;
    const { intervalMs } = this.#config;
    const nextMs = nextVisitMs(standing, { nowMs, intervalMs, phase, ageMs: nowMs - foundAtMs });
    this.#schedule(sandbox, noRoom === "exchange" ? Math.min(nextMs, EXCHANGE_MS) : nextMs);
  }

  /** Scrapes the sandbox if it may be asked and the pipeline has room; otherwise returns why there is no room. */
  async #attend(sandbox: Sandbox): Promise<NoRoom | undefined> {
    if (sandbox.ended || !this.#isReady(sandbox)) return undefined;
    return await this.#lanes.run(async (scraper) => {
      // While it waited for its turn, another shim may have come to its place that must not be asked.
      if (!this.#isReady(sandbox)) return undefined;
      const noRoom = this.#next.noRoom(sandbox.resource.key);
      if (noRoom === undefined) await this.#scrape(sandbox, scraper);
      else this.#metrics.skipped(noRoom);
      return noRoom;
    });
  }

  /** Looks whether the sandbox is still the one that was found, and may be asked; says so where it may not. */
  #isReady(sandbox: Sandbox): boolean {
    const readiness = this.#readiness(sandbox);
    if (readiness === undefined) return false;
    if (readiness.state === "ready") return true;
    const before = sandbox.standing.state;
    const { state, code, reason } = readiness;
    this.#settle(sandbox, { kind: "not_ready", why: readiness });
    if (state === "unsafe" && before !== "unsafe")
      this.#settings.logger.warn({ sandbox: sandbox.found.id, reason }, "Sandbox is not scraped.");
    if (code === "unreadable")
      this.#failures.note("Sandboxes cannot be looked at.", {
        of: sandbox.found.id,
        fault: code,
        text: reason,
      });
    // One that waits for its socket has nothing to show, but what has been shown of it must not stand as it was.
    const isShown = this.#shown.get(sandbox.found.id) === sandbox;
    if (before !== "pending" && isShown) sandbox.isOutdated = true;
    if (state === "unsafe" || code === "unreadable" || sandbox.isOutdated) this.#reportIfRoom(sandbox);
    return false;
  }

  /** Undefined where the sandbox has gone. */
  #readiness(sandbox: Sandbox): Readiness | undefined {
    if (sandbox.ended) return undefined;
    if (!isStillThere(sandbox.found)) {
      this.#reconcile();
      return undefined;
    }
    sandbox.noteLife();
    const readiness = checkReadiness(sandbox.found, {
      allowed: this.#unsafeAllowed,
      answered: sandbox.lastAnswerMs === undefined ? undefined : sandbox.shim,
      livedWith: sandbox.livedWith,
      nowMs: this.#settings.clock.nowMs(),
    });
    if (readiness.state === "ready") sandbox.shim = readiness.shim;
    return readiness;
  }

  /** Asks a shim what somebody wants to see, under the rules of a scrape. */
  async #ask(sandbox: Sandbox, what: Asked): Promise<Buffer> {
    const { state, breakOffs, reason } = sandbox.standing;
    if (breakOffs > 0) throw new Error(`the sandbox is left alone after it failed: ${reason}`);
    return await this.#lanes.run(async (scraper) => {
      const readiness = this.#readiness(sandbox);
      if (readiness === undefined) throw new Error("the sandbox has ended");
      if (readiness.state !== "ready")
        throw new Error(`the sandbox is ${readiness.state}: ${readiness.reason}`);
      const socket = join(sandbox.found.directory, SOCKET_NAME);
      const outcome = await scraper.scrape(socket, sandbox.ending, what);
      try {
        if (outcome.ok) return Buffer.from(outcome.page.subarray(0, outcome.length));
        const { fault, text } = outcome;
        if (state === "up") this.#settle(sandbox, { kind: "failed", fault, text });
        throw new Error(`the shim gave no answer: ${text}`);
      } finally {
        scraper.release();
      }
    });
  }

  #settle(sandbox: Sandbox, finding: Finding): void {
    const before = sandbox.standing.state;
    sandbox.standing = standingAfter(sandbox.standing, finding);
    if (sandbox.standing.state !== before) this.#reportStatus();
  }

  /** Well is: every root that is there can be read, and of the sandboxes that should answer, one does. */
  #reportStatus(): void {
    const { host, id } = this.#settings;
    const states = Array.from(this.#sandboxes.values(), ({ standing }) => standing.state);
    const failing = states.filter((state) => state === "failing").length;
    const unreadable = [...this.#unreadable];
    if (unreadable.length > 0)
      host.statuses.report("receiver", id, "recoverable_error", `cannot read ${unreadable.join(", ")}`);
    else if (failing > 0 && !states.includes("up"))
      host.statuses.report("receiver", id, "recoverable_error", `no sandbox answers; ${failing} should`);
    else host.statuses.report("receiver", id, "ok");
  }

  async #scrape(sandbox: Sandbox, scraper: Scraper): Promise<void> {
    const { clock } = this.#settings;
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
    const length = outcome.whole ? outcome.length : wholeLines(outcome.page, outcome.length);
    const page = sandbox.source.parse(outcome.page, length, this.#trusts[sandbox.shim ?? "rs"]);
    this.#metrics.leftOut(page.reasons);
    if (page.samples === 0 && page.badLines > 0) {
      const text = `no usable line; the first fault: ${page.firstFault?.reason ?? "none"}`;
      this.#fail(sandbox, { ok: false, fault: "unusable", text }, durationMs);
      return;
    }
    sandbox.lastAnswerMs = this.#settings.clock.nowMs();
    this.#settle(sandbox, { kind: "answered" });
    this.#noteFaults(sandbox, page);
    const { samples, skippedLines } = page;
    const badLines = page.badLines + (length < outcome.length ? 1 : 0);
    const partial = isPartial(page.schema);
    this.#own.fill(page.values, { up: true, durationMs, samples, partial, skippedLines, badLines });
    this.#metrics.scraped(pointCount(page.schema) - this.#own.pointCount);
    this.#hand(sandbox, page.schema, page.values);
  }

  #fail(sandbox: Sandbox, outcome: ScrapeOutcome & { ok: false }, durationMs: number): void {
    const { fault, text } = outcome;
    this.#settle(sandbox, { kind: "failed", fault, text });
    this.#failures.note("Scrapes failed.", { of: sandbox.found.id, fault, text });
    this.#metrics.failed(fault);
    if (sandbox.standing.state !== "pending" || this.#shown.get(sandbox.found.id) === sandbox)
      this.#report(sandbox, { ...NOTHING, durationMs });
  }

  #noteFaults(sandbox: Sandbox, { badLines, skippedLines, firstFault }: Page): void {
    if (badLines === 0 && skippedLines === 0) return;
    const text = `line ${firstFault?.line ?? 0}: ${firstFault?.reason ?? "unknown"}`;
    const fault = badLines > 0 ? "bad_lines" : "skipped_lines";
    this.#failures.note("Pages have lines that cannot be used.", { of: sandbox.found.id, fault, text });
  }

  /** Reports that the sandbox is not scraped; where there is no room for that, the next visit does. */
  #reportIfRoom(sandbox: Sandbox): void {
    if (this.#next.noRoom(sandbox.resource.key) === undefined) this.#report(sandbox, NOTHING);
  }

  /** A reading of the agent's own families alone. */
  #report(sandbox: Sandbox, report: ScrapeReport): void {
    sandbox.isOutdated = false;
    const { state, code } = sandbox.standing;
    const schema = this.#own.schema(state, code);
    const values = new Float64Array(schema.width);
    this.#own.fill(values, report);
    this.#hand(sandbox, schema, values);
  }

  #hand(sandbox: Sandbox, schema: Schema, values: Float64Array): void {
    if (!this.#mayShow(sandbox)) return;
    const { resource, found } = sandbox;
    const timeMs = this.#settings.clock.nowMs();
    const { bornMs } = found.identity;
    // After a clock was set back nobody knows when it began, by that clock.
    const reading = { resource, schema, values, timeMs, startMs: bornMs <= timeMs ? bornMs : 0 };
    this.#metrics.accepted(pointCount(schema));
    this.#next.consume(reading);
  }

  /** Two sandboxes of one id would be one series: only one of them is shown, and ended before the other is. */
  #mayShow(sandbox: Sandbox): boolean {
    const { id, directory } = sandbox.found;
    const other = this.#shown.get(id);
    if (other === sandbox) return true;
    if (other !== undefined && !outranks(sandbox, other)) {
      this.#logShadowed(sandbox, other);
      return false;
    }
    if (other !== undefined) {
      this.#hide(other);
      this.#logShadowed(other, sandbox);
    }
    this.#shown.set(id, sandbox);
    this.#settings.logger.debug({ sandbox: id, directory }, "Sandbox is shown.");
    return true;
  }

  #hide(sandbox: Sandbox): void {
    this.#shown.delete(sandbox.found.id);
    this.#next.end({ resource: sandbox.resource, timeMs: this.#settings.clock.nowMs() });
  }

  #logShadowed(hidden: Sandbox, shown: Sandbox): void {
    if (hidden.shadowed) return;
    hidden.shadowed = true;
    const fields = { sandbox: hidden.found.id, hidden: hidden.found.directory, shown: shown.found.directory };
    this.#settings.logger.warn(fields, "Two roots have a sandbox of this id; one is shown.");
  }
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
