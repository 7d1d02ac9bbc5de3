// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { createSecureContext } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import { type Approach, adviceOn, adviceOnProtocol, isUnclear } from "./advice.ts";
import { dial, type PeerAddress, secure } from "./dial.ts";
import { protocolIn, type ServerProtocol } from "./first_bytes.ts";

/** The longest time of each of the two connections of a probe. */
const PROBE_CONNECTION_MS = 2_000;
/** A peer is probed at most once within this time. Later failures within it get the last probe's finding. */
const PROBE_INTERVAL_MS = 60_000;
/** The most bytes of an answer that a probe reads, since the first bytes tell the protocol. */
const ANSWER_BYTES_MAX = 1_024;
/**
 * The first bytes that an HTTP/2 client sends, with empty SETTINGS (RFC 9113, 3.4). A probe sends them, since they are
 * no valid request for a server of HTTP/1 or TLS.
 */
const OPENING = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

/** The options of `FailedPeer.explain`. */
export interface ExplainOptions {
  /** The peer's address; undefined if it must not be probed, since it is behind a proxy. */
  readonly address: PeerAddress | undefined;
  /** Ends the wait for a probe when it aborts. The probe itself goes on, for the next failure. */
  readonly signal: AbortSignal;
}

/** Explains failures of connections. If the error does not tell the cause, probes which protocol the peer speaks. */
export class FailedPeer {
  readonly #clock: Clock;
  readonly #approach: Approach;
  /** Until this time, the finding of `#probing` is used. */
  #untilMs = Number.NEGATIVE_INFINITY;
  #probing: Promise<string> = Promise.resolve("");

  constructor(clock: Clock, approach: Approach) {
    this.#clock = clock;
    this.#approach = approach;
  }

  /**
   * Returns what the failure means and which option to change, as a text to append to the error: it begins with a
   * semicolon. Returns an empty text if nothing is known. Never rejects.
   */
  async explain(error: unknown, { address, signal }: ExplainOptions): Promise<string> {
    const known = adviceOn(error, this.#approach);
    const advice =
      known ?? (address !== undefined && isUnclear(error) ? await this.#finding(address, signal) : "");
    return advice === "" ? "" : `; ${advice}`;
  }

  /** Returns the finding of the last minute, or probes the peer. */
  async #finding(address: PeerAddress, signal: AbortSignal): Promise<string> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#untilMs) {
      this.#untilMs = nowMs + PROBE_INTERVAL_MS;
      this.#probing = this.#probe(address);
    }
    const aborted = Promise.withResolvers<string>();
    const onAbort = (): void => aborted.resolve("");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const advice = await Promise.race([this.#probing, aborted.promise]);
    signal.removeEventListener("abort", onAbort);
    return advice;
  }

  async #probe(address: PeerAddress): Promise<string> {
    return adviceOnProtocol(await protocolAt(address, this.#clock), this.#approach);
  }
}

/** Finds out which protocol a server speaks: connects without TLS and, if the server does not answer, with TLS. */
async function protocolAt(address: PeerAddress, clock: Clock): Promise<ServerProtocol | undefined> {
  return (
    (await within(clock, (signal) => answerAt(address, signal))) ??
    (await within(clock, (signal) => tlsAt(address, signal)))
  );
}

async function within<T>(clock: Clock, probe: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const deadline = new AbortController();
  const cancel = clock.after(PROBE_CONNECTION_MS, () => deadline.abort());
  try {
    return await probe(deadline.signal);
  } catch {
    // A server that cannot be reached or does not answer tells nothing. The log has the error that was to be explained.
    return undefined;
  } finally {
    cancel();
  }
}

async function answerAt(address: PeerAddress, signal: AbortSignal): Promise<ServerProtocol | undefined> {
  const socket = await dial(address, signal);
  try {
    socket.write(OPENING);
    return protocolIn(await firstBytes(socket, signal));
  } finally {
    socket.destroy();
  }
}

async function firstBytes(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (): unknown => socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (protocolIn(Buffer.concat(chunks)) !== undefined || bytes >= ANSWER_BYTES_MAX) break;
  }
  signal.removeEventListener("abort", stop);
  return Buffer.concat(chunks);
}

/** Connects with TLS. Accepts any certificate, because nothing is sent to the server after the handshake. */
async function tlsAt(address: PeerAddress, signal: AbortSignal): Promise<ServerProtocol> {
  const options = {
    secureContext: createSecureContext(),
    rejectUnauthorized: false,
    name: "",
    protocols: ["h2", "http/1.1"],
  };
  const socket = await secure(await dial(address, signal), options, signal);
  socket.destroy();
  return "tls";
}
