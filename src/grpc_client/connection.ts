// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, constants, connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { ClosedEarly } from "../peer/dial.ts";
import { type ExchangeRequest, exchange, type StreamOutcome } from "./exchange.ts";

/** When a ping checks whether a connection is alive. */
export interface Keepalive {
  /** A ping is sent after a silence of this length. */
  readonly timeMs: number;
  /** The connection is closed if the ping is not answered within this time. */
  readonly timeoutMs: number;
  /** Whether pings are also sent while there is no call. */
  readonly whenIdle: boolean;
}

/** The options of `openConnection`. */
export interface ConnectionOptions {
  readonly socket: Socket;
  readonly isTls: boolean;
  readonly keepalive: Keepalive | undefined;
  readonly clock: Clock;
}

/**
 * A connection of HTTP/2 whose server has sent SETTINGS. It lasts until `close`, or until the server or the network
 * ends it.
 */
export class Http2Connection {
  readonly #session: ClientHttp2Session;
  readonly #options: ConnectionOptions;
  #isOpen = true;
  /** The number of calls that are under way. */
  #calls = 0;
  /**
   * When the server last answered a call or a ping; or, if later, when a ping was due and not sent, since no call was
   * under way.
   */
  #heardMs: number;
  #cancelPing: () => void = () => {};
  /** Why the connection ended; empty if it is open, was closed in order, or ended without a known reason. */
  #reason = "";

  /** Callers use `openConnection`, which waits for the server's SETTINGS. */
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

  /** Whether another call can be made. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#session.closed && !this.#session.destroyed;
  }

  /** Why the connection ended; empty if it is open, was closed in order, or ended without a known reason. */
  get reason(): string {
    return this.#reason;
  }

  /** Makes one exchange on the connection, which must be open. Never rejects. */
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

  /** Allows no further call. The connection closes when its calls have ended. */
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

/**
 * Opens a connection of HTTP/2 over a socket. The connection owns the socket, also if this fails. Rejects if the peer
 * does not answer with SETTINGS, or when the signal aborts.
 */
export async function openConnection(
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Http2Connection> {
  const { socket, isTls } = options;
  // Only the scheme of this URL matters: each request has an authority of its own.
  const session = http2Connect(isTls ? "https://peer" : "http://peer", {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  await receivedSettings(session, socket, signal);
  return new Http2Connection(session, options);
}

function receivedSettings(session: ClientHttp2Session, socket: Socket, signal: AbortSignal): Promise<void> {
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

/** Destroys the session and its socket. When a TLS socket fails, Node leaves both open, without an event. */
function end(session: ClientHttp2Session, socket: Socket): void {
  session.on("error", () => {}).destroy();
  socket.on("error", () => {}).destroy();
}
