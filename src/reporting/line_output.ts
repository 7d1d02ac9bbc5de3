// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** Why lines were lost: too many waited, nobody reads, the disk is full, or another error. */
export const LINE_LOSS_REASONS = ["backlog", "no_reader", "no_space", "error"] as const;
export type LineLossReason = (typeof LINE_LOSS_REASONS)[number];

/**
 * Writes bytes and returns how many were written, at once or as a promise. Throws or rejects with the system's error. EAGAIN
 * means that the reader is behind.
 */
export type WriteBytes = (bytes: Buffer) => number | Promise<number>;

/** The lines that were lost between two lines that could be written. */
export interface Losses {
  readonly lines: Readonly<Partial<Record<LineLossReason, number>>>;
  /** When the first of these lines was lost, in Unix milliseconds. */
  readonly sinceMs: number;
}

/** Is told of lost lines. */
export interface LossListener {
  /** Called at the first loss since the last line that could be written. `cause` is the system's error text. */
  onLoss?(reason: LineLossReason, cause: string): void;
  /** Called when a line could be written after losses. */
  onPassing(losses: Losses): void;
}

/**
 * The limit on the bytes that wait for a slow reader. Lines beyond it are dropped, except that a line of any length
 * waits if no other does.
 */
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** How many milliseconds to wait before the next try when the reader is behind. */
const RETRY_MS = 20;
/**
 * The shortest time, in milliseconds, between two reports of losses while more than half of `BACKLOG_BYTES_MAX` still
 * waits. Each report is a line of the log itself, which a slow reader must read too.
 */
const TELL_INTERVAL_MS = 10_000;

const REASONS: Readonly<Record<string, LineLossReason>> = {
  EPIPE: "no_reader",
  ECONNRESET: "no_reader",
  ENXIO: "no_reader",
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EFBIG: "no_space",
};

/**
 * Writes whole lines in their order, and never throws. Lines wait for a slow reader up to `BACKLOG_BYTES_MAX`. Lines
 * that cannot be written are dropped and counted. A line that is written in part is finished before any other.
 */
export class LineOutput {
  readonly #attempt: WriteBytes;
  readonly #clock: Clock;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Whether a part of the first waiting line is written. */
  #isTorn = false;
  #isRunning = false;
  /** The last run of `#writeWaiting`. It has ended unless `#isRunning`. */
  #run: Promise<void> = Promise.resolve();
  readonly #lost = new Map<LineLossReason, number>();
  #untold: { lines: Partial<Record<LineLossReason, number>>; sinceMs: number } | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  readonly #listeners = new Set<LossListener>();

  constructor(attempt: WriteBytes, clock: Clock) {
    this.#attempt = attempt;
    this.#clock = clock;
  }

  /** The number of lines lost so far, by reason. */
  get lost(): ReadonlyMap<LineLossReason, number> {
    return this.#lost;
  }

  /** Whether no write is running, and none waits to be tried again. */
  get isIdle(): boolean {
    return !this.#isRunning;
  }

  /** Tells the listener of losses, until the returned function is called. */
  listen(listener: LossListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes one text, which must end in a line feed. No other text gets into the middle of it. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > BACKLOG_BYTES_MAX) {
      this.#lose("backlog", 1, "the reader is behind");
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!this.#isRunning) this.#run = this.#writeWaiting();
  }

  /** Resolves when no line waits, or when the signal aborts. */
  async drain(deadline: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      deadline.addEventListener("abort", () => resolve(), { once: true });
    });
    while (this.#isRunning && !deadline.aborted) await Promise.race([this.#run, aborted]);
  }

  /**
   * Writes all waiting lines. If each write completes at once, they are all written when the call returns its promise.
   */
  async #writeWaiting(): Promise<void> {
    this.#isRunning = true;
    for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) {
      try {
        const taken = this.#attempt(line);
        this.#take(typeof taken === "number" ? taken : await taken);
      } catch (error) {
        const { code = "", message } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") {
          await this.#pause();
          continue;
        }
        this.#dropWaiting(REASONS[code] ?? "error", message);
        if (this.#isTorn) break;
      }
    }
    this.#isRunning = false;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(RETRY_MS, resolve));
  }

  #take(count: number): void {
    const line = this.#waiting[0] ?? Buffer.alloc(0);
    this.#waitingBytes -= count;
    this.#isTorn = count < line.length;
    if (this.#isTorn) this.#waiting[0] = line.subarray(count);
    else this.#waiting.shift();
    if (!this.#isTorn) this.#tellLosses();
  }

  #tellLosses(): void {
    const losses = this.#untold;
    if (losses === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#waitingBytes > BACKLOG_BYTES_MAX / 2 && nowMs - this.#toldMs < TELL_INTERVAL_MS) return;
    this.#toldMs = nowMs;
    this.#untold = undefined;
    for (const listener of this.#listeners) listener.onPassing(losses);
  }

  /** Drops the waiting lines. The rest of a line that is written in part stays, so that the next one starts a new line. */
  #dropWaiting(reason: LineLossReason, cause: string): void {
    const dropped = this.#waiting.splice(this.#isTorn ? 1 : 0);
    for (const { length } of dropped) this.#waitingBytes -= length;
    if (dropped.length > 0) this.#lose(reason, dropped.length, cause);
  }

  #lose(reason: LineLossReason, count: number, cause: string): void {
    this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + count);
    const isFirst = this.#untold === undefined;
    this.#untold ??= { lines: {}, sinceMs: this.#clock.nowMs() };
    this.#untold.lines[reason] = (this.#untold.lines[reason] ?? 0) + count;
    if (isFirst) for (const listener of this.#listeners) listener.onLoss?.(reason, cause);
  }
}
