// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, constants, connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { ClosedEarly } from "../peer/dial.ts";
import { type ExchangeRequest, exchange, type StreamOutcome } from "./exchange.ts";

/** When a connection is asked whether it is alive. */
export interface Keepalive {
  /** After such a silence. */
  readonly timeMs: number;
  /** Without an answer for so long it is closed. */
  readonly timeoutMs: number;
  /** Also while nothing is on its way. */
  readonly whenIdle: boolean;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly isTls: boolean;
  readonly keepalive: Keepalive | undefined;
  readonly clock: Clock;
}

/** A connection of HTTP/2 that its server has greeted. It ends with `close`, or when its server or the network ends it. */
export class Http2Connection {
  readonly #session: ClientHttp2Session;
  readonly #options: ConnectionOptions;
  #isOpen = true;
  #calls = 0;
  #heardMs: number;
  #cancelPing: () => void = () => {};
  /** Why it ended, where that is known. */
  #reason = "";

  /** Use `openConnection`, which waits for the greeting. */
  constructor(session: ClientHttp2Session, options: ConnectionOptions) {
    this.#session = session;
    this.#options = options;
    this.#heardMs = options.clock.monotonicMs();
    session.on("error", (error) => {
      this.#reason ||= error.message;
      this.#end();
    });
    session.on("goaway", (code, _lastStream, words) => {
      const text = Buffer.from(words ?? []).toString("latin1");
      if (code !== constants.NGHTTP2_NO_ERROR) this.#reason ||= `the server went away: ${text}`;
      this.#end();
    });
    session.on("close", () => this.#end());
    options.socket.on("error", (error) => {
      this.#reason ||= error.message;
      this.#end();
      end(session, options.socket);
    });
    if (options.keepalive !== undefined) this.#watch(options.keepalive);
  }

  /** Whether it takes another call. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#session.closed && !this.#session.destroyed;
  }

  /** Why the connection itself ended; empty where it did not, or did so in good order. */
  get reason(): string {
    return this.#reason;
  }

  /** As `exchange`, on a connection that is open. */
  async exchange(request: ExchangeRequest): Promise<StreamOutcome> {
    this.#calls++;
    try {
      const answer = await exchange(this.#session, request);
      if (answer.headers !== undefined) this.#heardMs = this.#options.clock.monotonicMs();
      return answer;
    } finally {
      this.#calls--;
    }
  }

  /** Takes no further call; what is on its way ends by itself. */
  close(): void {
    this.#end();
    this.#session.close();
  }

  #end(): void {
    this.#isOpen = false;
    this.#cancelPing();
  }

  #watch(keepalive: Keepalive): void {
    const { clock } = this.#options;
    const silentMs = clock.monotonicMs() - this.#heardMs;
    this.#cancelPing = clock.after(Math.max(1, keepalive.timeMs - silentMs), () => {
      const isDue = clock.monotonicMs() - this.#heardMs >= keepalive.timeMs;
      if (isDue && (this.#calls > 0 || keepalive.whenIdle)) this.#ping(keepalive);
      else {
        if (isDue) this.#heardMs = clock.monotonicMs();
        this.#watch(keepalive);
      }
    });
  }

  #ping(keepalive: Keepalive): void {
    const { clock } = this.#options;
    this.#cancelPing = clock.after(keepalive.timeoutMs, () => {
      this.#reason ||= `no answer to a keepalive ping within ${keepalive.timeoutMs} ms`;
      end(this.#session, this.#options.socket);
    });
    this.#session.ping((error) => {
      this.#cancelPing();
      if (error !== null || !this.isOpen) return;
      this.#heardMs = clock.monotonicMs();
      this.#watch(keepalive);
    });
  }
}

/** Speaks HTTP/2 over a socket, which it owns from now on. Rejects where the peer does not greet as a server of it does. */
export async function openConnection(
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Http2Connection> {
  const { socket, isTls } = options;
  // The authority stands in each request; here only the scheme has a meaning.
  const session = http2Connect(isTls ? "https://peer" : "http://peer", {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  await greeted(session, socket, signal);
  return new Http2Connection(session, options);
}

function greeted(session: ClientHttp2Session, socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopListening = (): void => {
      session.off("remoteSettings", onSettings).off("error", onFailure).off("close", onClose);
      socket.off("error", onFailure);
      signal.removeEventListener("abort", onAbort);
    };
    const onSettings = (): void => {
      stopListening();
      resolve();
    };
    const onFailure = (error: unknown): void => {
      stopListening();
      end(session, socket);
      reject(error);
    };
    const onClose = (): void =>
      onFailure(new ClosedEarly("the connection was closed before it could be used"));
    const onAbort = (): void => onFailure(signal.reason);
    session.on("remoteSettings", onSettings).on("error", onFailure).on("close", onClose);
    socket.on("error", onFailure);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** Node leaves a socket of TLS open whose session has failed with it, and says nothing of the session's end. */
function end(session: ClientHttp2Session, socket: Socket): void {
  session.on("error", () => {}).destroy();
  socket.on("error", () => {}).destroy();
}
