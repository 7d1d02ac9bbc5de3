// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- scrape.

import { connect, type Socket } from "node:net";
import type { Clock } from "../../../clock/clock.ts";
import type { Limit } from "../../../prometheus/parse/limit.ts";
import { shortSocketPath } from "../../../sockets/short_path.ts";
import { accessWayOut } from "../discovery/access_fault.ts";
import {
  type BodyLimit,
  type Progress,
  type ResponseFault,
  type ResponseLimits,
  ResponseReader,
} from "./http_response.ts";
import { PageBuffer, type PageMemory } from "./page_buffer.ts";

/** The reason why a scrape gave no page: a fault of the response, or one of the following. */
export type ScrapeFault =
  | ResponseFault
  /** No process listens on the socket. */
  | "refused"
  /** There is no socket, or `maySend` returned false after the connection was made. */
  | "missing"
  | "unreachable"
  | "timeout"
  /** The page came whole, but no line of it is a metric. */
  | "unusable"
  /** The sandbox or the agent is ending. */
  | "cancelled";

/** Faults at which this agent closes the connection while the shim still works on its answer. */
const BROKEN_OFF: ReadonlySet<ScrapeFault> = new Set(["timeout", "too_big", "malformed"]);

/**
 * Returns whether this agent broke off the scrape. A Go shim may then leave the guest out of its next pages, so it is not
 * asked for a while.
 */
export function isCutOff(fault: ScrapeFault): boolean {
  return BROKEN_OFF.has(fault);
}

/** The result of asking a shim. */
export type ScrapeOutcome =
  | {
      readonly ok: true;
      /**
       * The first `length` bytes are the page, and at least 16 bytes follow them. They are valid until the scraper's
       * `release` or next scrape. The caller must not write to them.
       */
      readonly page: Buffer;
      readonly length: number;
      /** False if the page was cut, or if only the end of the connection says that it is whole. */
      readonly whole: boolean;
      /** The limit at which the page was cut; undefined if it was not. */
      readonly limit: BodyLimit | undefined;
    }
  | {
      readonly ok: false;
      readonly fault: ScrapeFault;
      readonly text: string;
      /** The limit that the answer exceeds; undefined if the fault is another one. */
      readonly limit?: Limit | undefined;
    };

export interface ScrapeOptions extends ResponseLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly memory: PageMemory;
}

/** The only paths that are ever requested from a shim. Requests for other paths of its socket change the sandbox. */
export type Asked = "metrics" | "agent-url";

export interface AskOptions {
  /** The path that is requested; "metrics" if undefined. */
  readonly asked?: Asked;
  /**
   * Called once, after the connection is made and before the shim gets a byte. If it returns false, nothing is sent,
   * and the scrape fails as "missing".
   */
  maySend?(): boolean;
}

/**
 * If the timer of a time-out fires more than this too late, the agent itself was suspended or starved, and the shim may
 * be well.
 */
const STANDSTILL_MS = 100;

const REQUESTS: Readonly<Record<Asked, string>> = {
  metrics: requestText("/metrics"),
  "agent-url": requestText("/agent-url"),
};

function requestText(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kata-collector\r\nAccept: text/plain\r\nConnection: close\r\n\r\n`;
}

/**
 * All sockets read into this one buffer. The bytes of a read are copied before the next read begins, since Node runs
 * one callback at a time.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

const CODE_FAULT: Readonly<Record<string, ScrapeFault>> = {
  ECONNREFUSED: "refused",
  ENOENT: "missing",
  ENOTDIR: "missing",
  ENOTSOCK: "missing",
  ECONNRESET: "truncated",
  EPIPE: "truncated",
};

/** Scrapes one shim after the other into the same memory. There is one scraper for each scrape that may run at a time. */
export class Scraper {
  readonly #options: ScrapeOptions;
  readonly #page: PageBuffer;

  constructor(options: ScrapeOptions) {
    this.#options = options;
    this.#page = new PageBuffer(options.memory);
  }

  /** Frees the memory of a large page. The page of the last outcome must not be used any more. */
  release(): void {
    this.#page.clear();
  }

  /**
   * Asks the shim behind the socket. Never rejects. Ends within the time-out, or when `cancel` aborts. If the agent stood
   * still when the time was over, the time begins once more: the shim may have answered already, and the answer is not read yet.
   */
  async scrape(socketPath: string, cancel: AbortSignal, options: AskOptions = {}): Promise<ScrapeOutcome> {
    try {
      await using short = await shortSocketPath(socketPath);
      const outcome = await this.#ask(short.path, cancel, options);
      if (outcome.ok || short.path === socketPath) return outcome;
      // The short path names the directory by a file descriptor, which would tell an operator nothing.
      return { ...outcome, text: outcome.text.replace(short.path, socketPath) };
    } catch (error) {
      return failure(error);
    }
  }

  #ask(
    path: string,
    cancel: AbortSignal,
    { asked = "metrics", maySend = () => true }: AskOptions,
  ): Promise<ScrapeOutcome> {
    const { clock, timeoutMs } = this.#options;
    this.#page.clear();
    const reader = new ResponseReader(this.#page, this.#options);
    return new Promise((resolve) => {
      const finish = (outcome: ScrapeOutcome): void => {
        stopTimer();
        cancel.removeEventListener("abort", onCancel);
        socket.destroy();
        resolve(outcome);
      };
      const follow = (progress: Progress): void => {
        if (progress.state === "fault") {
          const { fault, text, limit } = progress;
          finish({ ok: false, fault, text, limit });
        }
        if (progress.state !== "complete") return;
        const { bytes: page, length } = this.#page;
        finish({ ok: true, page, length, whole: progress.whole, limit: progress.limit });
      };
      const onRead = (length: number): boolean => {
        // A destroyed socket may still deliver what it had read.
        if (!socket.destroyed) follow(reader.push(READ_BUFFER, length));
        return true;
      };
      const onCancel = (): void =>
        finish({ ok: false, fault: "cancelled", text: "the sandbox or the agent is ending" });
      const onTimeout = (): void =>
        finish({ ok: false, fault: "timeout", text: `no whole answer within ${timeoutMs} ms` });
      const dueMs = clock.monotonicMs() + timeoutMs;
      let stopTimer = clock.after(timeoutMs, () => {
        const stoodStill = clock.monotonicMs() - dueMs > STANDSTILL_MS;
        if (stoodStill) stopTimer = clock.after(timeoutMs, onTimeout);
        else onTimeout();
      });
      const socket: Socket = connect({ path, onread: { buffer: READ_BUFFER, callback: onRead } });
      socket.once("error", (error) => finish(failure(error)));
      socket.once("end", () => {
        if (!socket.destroyed) follow(reader.end());
      });
      cancel.addEventListener("abort", onCancel, { once: true });
      if (cancel.aborted) return onCancel();
      socket.once("connect", () => {
        if (maySend()) socket.write(REQUESTS[asked], "latin1");
        else
          finish({
            ok: false,
            fault: "missing",
            text: "it changed while it was connected to, and was not asked",
          });
      });
    });
  }
}

function failure(error: unknown): ScrapeOutcome {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return { ok: false, fault: CODE_FAULT[code] ?? "unreachable", text: `${message}${accessWayOut(code)}` };
}
