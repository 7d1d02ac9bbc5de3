// SPDX-License-Identifier: Apache-2.0
import { unlessAborted } from "../clock/abort.ts";
import type { Clock } from "../clock/clock.ts";
import { BROKEN_OFF, isBrokenOff } from "../peer/broken_off.ts";
import { withLowerCaseNames } from "../peer/header_names.ts";
import { messageOf } from "../text/error_text.ts";
import type { Http2Connection } from "./connection.ts";
import { ConnectFailure } from "./connector.ts";
import type { StreamOutcome } from "./exchange.ts";
import { ACCEPTED_ENCODINGS, frameMessage, type MessageEncoding, readMessage } from "./message.ts";
import type { GrpcPeers } from "./peers.ts";
import { GrpcCode, type GrpcFailure, readStatus, resetName, statusOfHttp } from "./status.ts";

/** The options of a `GrpcClient`. */
export interface GrpcClientOptions {
  readonly peers: GrpcPeers;
  /** The `:authority` of every call. */
  readonly authority: string;
  readonly isTls: boolean;
  readonly encoding: MessageEncoding;
  readonly userAgent: string;
  /**
   * Whether a call waits for a connection until its signal aborts. If not, the call fails when the first attempt to
   * connect fails.
   */
  readonly waitForReady: boolean;
  readonly clock: Clock;
}

/** One call: one message goes out, and one comes back. */
export interface UnaryCall {
  /** The method, in the form `/package.Service/Method`. */
  readonly path: string;
  /** The parts of the encoded message, in their order. */
  readonly parts: readonly Uint8Array[];
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The deadline that the server gets by the header `grpc-timeout`; 0 for none. The client does not end the call then;
   * `signal` does.
   */
  readonly timeoutMs: number;
  /** Ends the call when it aborts: at the deadline, or earlier if the caller no longer needs the call. */
  readonly signal: AbortSignal;
}

/** The encoded message of the answer; or, if the call failed, the reason. */
export type UnaryAnswer =
  | { readonly ok: true; readonly message: Uint8Array }
  | { readonly ok: false; readonly failure: GrpcFailure };

/** With `waitForReady`, the time between two attempts to connect. */
const WAIT_FOR_READY_MS = 1_000;

/**
 * Makes unary calls over the connections of its peers. It repeats a call only if the server refused the stream without
 * looking at it. The caller makes all other retries.
 */
export class GrpcClient {
  readonly #options: GrpcClientOptions;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
  }

  /** Makes one call. Never rejects; resolves soon after the signal aborts. */
  async unary(call: UnaryCall): Promise<UnaryAnswer> {
    try {
      const body = await frameMessage(call.parts, this.#options.encoding);
      const first = await this.#attempt(call, body);
      return isUnseen(first) ? this.#read(call, await this.#attempt(call, body)) : this.#read(call, first);
    } catch (error) {
      return failed(failureOf(error, call));
    }
  }

  /** Closes all connections when their calls have ended. The next call opens new ones. */
  reset(): void {
    this.#options.peers.reset();
  }

  close(): void {
    this.#options.peers.close();
  }

  async #attempt(
    call: UnaryCall,
    body: readonly Uint8Array[],
  ): Promise<StreamOutcome & { readonly reason: string }> {
    // If the signal aborts before a connection is open, the connection still opens, for later calls.
    const connection = await unlessAborted(this.#connection(call.signal), call.signal);
    const answer = await connection.exchange({ headers: this.#headers(call), body, signal: call.signal });
    return { ...answer, reason: connection.reason };
  }

  async #connection(signal: AbortSignal): Promise<Http2Connection> {
    const { peers, waitForReady, clock } = this.#options;
    for (;;) {
      try {
        return await peers.connection();
      } catch (error) {
        if (!waitForReady || signal.aborted) throw error;
        await new Promise<void>((resolve) => clock.after(WAIT_FOR_READY_MS, resolve));
      }
    }
  }

  #headers({ path, headers, timeoutMs }: UnaryCall): Record<string, string> {
    const { authority, isTls, encoding, userAgent } = this.#options;
    return {
      ...withLowerCaseNames(headers),
      ":method": "POST",
      ":scheme": isTls ? "https" : "http",
      ":path": path,
      ":authority": authority,
      te: "trailers",
      "content-type": "application/grpc+proto",
      "user-agent": userAgent,
      "grpc-accept-encoding": ACCEPTED_ENCODINGS,
      ...(encoding === "identity" ? {} : { "grpc-encoding": encoding }),
      ...(timeoutMs > 0 ? { "grpc-timeout": timeoutOf(timeoutMs) } : {}),
    };
  }

  #read(call: UnaryCall, answer: StreamOutcome & { readonly reason: string }): UnaryAnswer {
    const { headers, trailers, body } = answer;
    const status = readStatus(trailers) ?? (headers === undefined ? undefined : readStatus(headers));
    if (status?.code === GrpcCode.OK)
      return { ok: true, message: readMessage(body, String(headers?.["grpc-encoding"] ?? "identity")) };
    if (status !== undefined)
      return failed({ ...status, details: status.details + this.#encodingAdvice(status, answer) });
    if (call.signal.aborted) return failed(ended(call.signal, `no answer within ${call.timeoutMs} ms`));
    if (headers !== undefined && answer.error === undefined)
      return failed(statusOfHttp(headers, this.#options.clock.nowMs()));
    return failed({ code: GrpcCode.UNAVAILABLE, details: this.#endOf(answer) });
  }

  #endOf({ resetCode, reason, error }: StreamOutcome & { readonly reason: string }): string {
    if (reason !== "") return reason;
    if (resetCode === 0) return error?.message ?? "the connection ended without an answer";
    const name = resetName(resetCode);
    if (name === "CANCEL")
      return "the stream ended with CANCEL: the connection was cut, or the server gave up";
    const { encoding } = this.#options;
    // gRPC's C core resets a stream whose encoding it does not know.
    const isNewer = encoding === "zstd" || encoding === "snappy";
    const advice =
      isNewer && name === "INTERNAL_ERROR" ? `; it may not know compression: ${encoding}, try gzip` : "";
    return `the server reset the stream with ${name}${advice}`;
  }

  /**
   * Returns advice if the server does not know the encoding: it then answers UNIMPLEMENTED and lists those it knows.
   */
  #encodingAdvice({ code, details }: GrpcFailure, { headers = {} }: StreamOutcome): string {
    const { encoding } = this.#options;
    const accepted = headers["grpc-accept-encoding"];
    if (code !== GrpcCode.UNIMPLEMENTED || encoding === "identity") return "";
    if (typeof accepted !== "string")
      return /encoding|compress/i.test(details) ? `; set compression to another one than ${encoding}` : "";
    if (accepted.split(",").some((name) => name.trim() === encoding)) return "";
    return `; the server does not know compression: ${encoding}, but ${accepted}`;
  }
}

function failureOf(error: unknown, { signal, timeoutMs }: UnaryCall): GrpcFailure {
  if (signal.aborted)
    return ended(signal, `no connection within ${timeoutMs} ms; a firewall may drop what is sent`);
  const details = messageOf(error);
  return { code: error instanceof ConnectFailure ? error.code : GrpcCode.UNAVAILABLE, details };
}

/** Returns the failure of a call whose signal has aborted. `details` says which step had not ended at the deadline. */
function ended(signal: AbortSignal, details: string): GrpcFailure {
  if (isBrokenOff(signal)) return { code: GrpcCode.CANCELLED, details: BROKEN_OFF };
  return { code: GrpcCode.DEADLINE_EXCEEDED, details };
}

function failed(failure: GrpcFailure): UnaryAnswer {
  return { ok: false, failure };
}

/** Whether the server refused the stream without looking at it, for example since it had just sent a GOAWAY. */
function isUnseen({ headers, resetCode }: StreamOutcome): boolean {
  return headers === undefined && resetName(resetCode) === "REFUSED_STREAM";
}

/** Writes a time as gRPC does, with at most eight digits: in milliseconds, or in seconds if milliseconds need more. */
function timeoutOf(timeoutMs: number): string {
  return timeoutMs < 1e8 ? `${Math.ceil(timeoutMs)}m` : `${Math.ceil(timeoutMs / 1_000)}S`;
}
