// Hot path: npm run bench -- scrape.

import { connect, type Socket } from "node:net";
import type { Clock } from "../../clock/clock.ts";
import { shortSocketPath } from "../../sockets/short_path.ts";
import { parseResponse, type ResponseFault } from "./http_response.ts";

export type ScrapeFault =
  | ResponseFault
  | "refused"
  | "missing"
  | "unreachable"
  | "timeout"
  | "too_big"
  | "cancelled";

/** What came of asking a shim. */
export type ScrapeOutcome =
  | {
      readonly ok: true;
      /** The page, at the start of a buffer that is longer by at least 16 bytes. Valid until the buffer's next scrape. */
      readonly page: Buffer;
      readonly length: number;
      /** False where only the end of the connection says that the page is whole: it may be cut. */
      readonly whole: boolean;
    }
  | { readonly ok: false; readonly fault: ScrapeFault; readonly text: string };

export interface ScrapeOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly headerBytesMax: number;
  readonly bodyBytesMax: number;
}

// The only path that is ever asked for: others on this socket change the sandbox.
const REQUEST =
  "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kata-collector\r\nAccept: text/plain\r\nConnection: close\r\n\r\n";

/** The usual page fits; a larger one makes it grow. */
const BUFFER_BYTES = 256 * 1024;
/** A buffer that a huge page made larger than this is not kept. */
const BUFFER_KEPT_BYTES = 1024 * 1024;
const SLACK_BYTES = 16;

const CODE_FAULT: Readonly<Record<string, ScrapeFault>> = {
  ECONNREFUSED: "refused",
  ENOENT: "missing",
  ENOTDIR: "missing",
  ENOTSOCK: "missing",
  ECONNRESET: "truncated",
  EPIPE: "truncated",
};

/** Scrapes shims one after the other into the same memory; there is one per scrape that may run at a time. */
export class Scraper {
  readonly #options: ScrapeOptions;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  constructor(options: ScrapeOptions) {
    this.#options = options;
  }

  /** Asks the shim behind the socket for its page. Never rejects; ends within the time-out, or when `cancel` aborts. */
  async scrape(socketPath: string, cancel: AbortSignal): Promise<ScrapeOutcome> {
    if (this.#buffer.length > BUFFER_KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    try {
      await using short = await shortSocketPath(socketPath);
      return await this.#ask(short.path, cancel);
    } catch (error) {
      return toFault(error);
    }
  }

  #ask(path: string, cancel: AbortSignal): Promise<ScrapeOutcome> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve) => {
      let length = 0;
      const finish = (outcome: ScrapeOutcome): void => {
        stopTimer();
        cancel.removeEventListener("abort", onCancel);
        socket.destroy();
        resolve(outcome);
      };
      const look = (ended: boolean): void => {
        const parsed = parseResponse(this.#buffer, length, ended);
        if (parsed.state === "fault") finish({ ok: false, fault: parsed.fault, text: parsed.text });
        if (parsed.state !== "body") return;
        const page = this.#buffer.subarray(parsed.start);
        finish({ ok: true, page, length: parsed.length, whole: parsed.whole });
      };
      const onRead = (size: number, bytes: Uint8Array): boolean => {
        const room = this.#reserve(length + size);
        if (!room) {
          finish({
            ok: false,
            fault: "too_big",
            text: `page is larger than ${this.#options.bodyBytesMax} bytes`,
          });
          return false;
        }
        this.#buffer.set(size === bytes.length ? bytes : bytes.subarray(0, size), length);
        length += size;
        look(false);
        return true;
      };
      const socket: Socket = connect({ path, onread: { buffer: READ_BUFFER, callback: onRead } });
      const onCancel = (): void =>
        finish({ ok: false, fault: "cancelled", text: "sandbox or agent is ending" });
      const stopTimer = clock.after(timeoutMs, () => {
        finish({ ok: false, fault: "timeout", text: `no whole answer within ${timeoutMs} ms` });
      });
      cancel.addEventListener("abort", onCancel, { once: true });
      if (cancel.aborted) onCancel();
      socket.once("error", (error) => finish(toFault(error)));
      socket.once("end", () => look(true));
      socket.write(REQUEST, "latin1");
    });
  }

  /** Makes room for `length` bytes and the slack; false where that is more than head and body may have. */
  #reserve(length: number): boolean {
    const { headerBytesMax, bodyBytesMax } = this.#options;
    if (length > headerBytesMax + bodyBytesMax) return false;
    if (length + SLACK_BYTES > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow((length + SLACK_BYTES) * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    return true;
  }
}

/** All sockets read into it: what it holds is copied on before the next read, since nothing here runs in parallel. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

function toFault(error: unknown): ScrapeOutcome {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return { ok: false, fault: CODE_FAULT[code] ?? "unreachable", text: message };
}
