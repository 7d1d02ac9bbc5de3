// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { createSecureContext } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import { type Approach, adviceOn, adviceOnProtocol, isUnclear } from "./advice.ts";
import { dial, type PeerAddress, secure } from "./dial.ts";
import { protocolIn, type ServerProtocol } from "./first_bytes.ts";

/** One look may take so long, and a peer is looked at so often. */
const LOOK_MS = 2_000;
const INTERVAL_MS = 60_000;
/** More is not read of an answer: the kind of server shows in its first bytes. */
const ANSWER_BYTES_MAX = 1_024;
/** How a client of HTTP/2 begins, with empty SETTINGS (RFC 9113, 3.4): no server of HTTP/1 or of TLS takes it for a request. */
const OPENING = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

export interface ExplainOptions {
  /** Undefined where nobody may be looked at, as behind a proxy. */
  readonly place: PeerAddress | undefined;
  /** Whoever asks waits no longer when it aborts, and gets no more than the error tells. */
  readonly signal: AbortSignal;
}

/** Explains failures of connections; where one does not tell, by a look at what is at the address. */
export class FailedPeer {
  readonly #clock: Clock;
  readonly #approach: Approach;
  #untilMs = Number.NEGATIVE_INFINITY;
  #finding: Promise<string> = Promise.resolve("");

  constructor(clock: Clock, approach: Approach) {
    this.#clock = clock;
    this.#approach = approach;
  }

  /**
   * What the failure means and what mends it, as the end of a log line that begins with a semicolon; empty where nothing
   * is known. Where the failure does not tell, the place is looked at. Never rejects.
   */
  async explain(error: unknown, { place, signal }: ExplainOptions): Promise<string> {
    const known = adviceOn(error, this.#approach);
    const advice = known ?? (place !== undefined && isUnclear(error) ? await this.#at(place, signal) : "");
    return advice === "" ? "" : `; ${advice}`;
  }

  /** What was found in the last minute is not looked for again. */
  async #at(place: PeerAddress, signal: AbortSignal): Promise<string> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#untilMs) {
      this.#untilMs = nowMs + INTERVAL_MS;
      this.#finding = this.#look(place);
    }
    const aborted = Promise.withResolvers<string>();
    const onAbort = (): void => aborted.resolve("");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const advice = await Promise.race([this.#finding, aborted.promise]);
    signal.removeEventListener("abort", onAbort);
    return advice;
  }

  async #look(place: PeerAddress): Promise<string> {
    return adviceOnProtocol(await protocolAt(place, this.#clock), this.#approach);
  }
}

/** What the server there speaks: first in the clear, and where it says nothing to that, in TLS. */
async function protocolAt(place: PeerAddress, clock: Clock): Promise<ServerProtocol | undefined> {
  return (
    (await within(clock, (signal) => answerAt(place, signal))) ??
    (await within(clock, (signal) => tlsAt(place, signal)))
  );
}

async function within<T>(clock: Clock, look: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const deadline = new AbortController();
  const cancel = clock.after(LOOK_MS, () => deadline.abort());
  try {
    return await look(deadline.signal);
  } catch {
    // A server that cannot be reached now, or does not answer, shows nothing; its own error is in the log already.
    return undefined;
  } finally {
    cancel();
  }
}

async function answerAt(place: PeerAddress, signal: AbortSignal): Promise<ServerProtocol | undefined> {
  const socket = await dial(place, signal);
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

/** Whose certificate it is does not matter here: nothing is said to the server. */
async function tlsAt(place: PeerAddress, signal: AbortSignal): Promise<ServerProtocol> {
  const options = {
    secureContext: createSecureContext(),
    rejectUnauthorized: false,
    name: "",
    protocols: ["h2", "http/1.1"],
  };
  const socket = await secure(await dial(place, signal), options, signal);
  socket.destroy();
  return "tls";
}
