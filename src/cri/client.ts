// SPDX-License-Identifier: Apache-2.0

import { create, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelOptions,
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { messageOf } from "../text/error_text.ts";
import { Deadline } from "./deadline.ts";
import {
  GetEventsRequestSchema,
  ListPodSandboxRequestSchema,
  VersionRequestSchema,
  VersionResponseSchema,
} from "./generated/runtime_pb.ts";
import { decode, decodeEvent, decodeList, type PodEvent, type PodList } from "./pod.ts";
import type { RuntimeVersion } from "./version.ts";

/**
 * Why a call failed:
 *
 * - "unavailable": there is no connection;
 * - "replaced": there is no connection, because the socket that the container has mounted was replaced on the node;
 * - "timeout": no answer came before the deadline;
 * - "too_large": the answer has more than 16 MiB;
 * - "malformed": the answer cannot be decoded;
 * - "unimplemented", "error": the runtime answered with an error.
 */
export type CriFailure =
  | "unavailable"
  | "replaced"
  | "timeout"
  | "too_large"
  | "malformed"
  | "unimplemented"
  | "error";

/** A failed call to the container runtime. */
export class CriError extends Error {
  readonly failure: CriFailure;

  constructor(message: string, failure: CriFailure) {
    super(message);
    this.failure = failure;
  }
}

/**
 * The largest answer in bytes, which is also the kubelet's limit. gRPC's default of 4 MiB is too small for a node of a
 * thousand pods with large annotations.
 */
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  // A runtime that restarts is back within seconds. By default, gRPC's pauses between tries would grow to two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  // With a pool of its own, closing this client closes its connection, even if other clients use the same socket.
  "grpc.use_local_subchannel_pool": 1,
  // No connection is closed for idleness, since a lost connection is taken for a restart of the runtime.
  "grpc.client_idle_timeout_ms": 2 ** 31 - 1,
  // Go's gRPC server disconnects a client that pings an idle stream more often than every five minutes.
  "grpc.keepalive_time_ms": 360_000,
  "grpc.keepalive_timeout_ms": 20_000,
  // The runtime is on this node, whatever the environment says about proxies.
  "grpc.enable_http_proxy": 0,
};

type Method = "Version" | "ListPodSandbox";

const SERVICE = "/runtime.v1.RuntimeService";
const VERSION_REQUEST = toBinary(VersionRequestSchema, create(VersionRequestSchema, { version: "v1" }));
const LIST_REQUEST = toBinary(ListPodSandboxRequestSchema, create(ListPodSandboxRequestSchema));
const EVENTS_REQUEST = toBinary(GetEventsRequestSchema, create(GetEventsRequestSchema));

export interface CriClientOptions {
  /** A gRPC target: `unix:///path` or `dns:///host:port`. */
  readonly endpoint: string;
  /** How long a call may take at first. The deadline grows after time-outs. The stream of events has no deadline. */
  readonly timeoutMs: number;
  /** Called when the connection that answered `version` is lost. Not called after `close`. */
  onLost?(): void;
}

/** Gets the events of a runtime's stream. */
export interface EventListener {
  event(event: PodEvent): void;
  /** Called when the stream has ended; nothing is called after it. "over" is an end without an error. */
  end(failure: CriFailure | "over"): void;
}

/**
 * A client of CRI v1 with one connection. The first call opens the connection, and after a loss the next call opens it
 * again. A call rejects with a `CriError`, at the latest at its deadline.
 */
export class CriClient {
  readonly #options: CriClientOptions;
  readonly #client: Client;
  readonly #deadlines: Readonly<Record<Method, Deadline>>;
  #watching = false;
  /** The calls and streams that are not over. */
  readonly #calls = new Set<{ cancel(): void }>();

  constructor(options: CriClientOptions) {
    this.#options = options;
    // Each method has its own deadline: a runtime whose lists are slow still answers Version at once.
    this.#deadlines = {
      Version: new Deadline(options.timeoutMs),
      ListPodSandbox: new Deadline(options.timeoutMs),
    };
    this.#client = new Client(options.endpoint, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  async version(): Promise<RuntimeVersion> {
    const { runtimeName, runtimeVersion } = await this.#call("Version", VERSION_REQUEST, (answer) =>
      decode(VersionResponseSchema, answer),
    );
    this.#watch();
    return { name: runtimeName, version: runtimeVersion };
  }

  /** Lists all pod sandboxes. Labels and annotations are decoded only for those whose id `wanted` returns true for. */
  pods(wanted: (id: string) => boolean): Promise<PodList> {
    return this.#call("ListPodSandbox", LIST_REQUEST, (answer) => decodeList(answer, wanted));
  }

  /** Follows the runtime's events. `close` ends the stream without a call of `listener.end`. */
  events(listener: EventListener): void {
    const path = `${SERVICE}/GetContainerEvents`;
    const stream = this.#client.makeServerStreamRequest(path, sameBytes, sameBytes, EVENTS_REQUEST);
    this.#calls.add(stream);
    const end = (failure: CriFailure | "over"): void => {
      if (this.#calls.delete(stream)) listener.end(failure);
    };
    stream.on("data", (event: Uint8Array) => {
      if (!this.#calls.has(stream)) return;
      try {
        listener.event(decodeEvent(event));
      } catch {
        end("malformed");
        stream.cancel();
      }
    });
    stream.on("error", (error: ServiceError) => end(failureOf(error)));
    stream.on("end", () => end("over"));
  }

  /** Closes the connection. Calls that are not over reject. */
  close(): void {
    const calls = [...this.#calls];
    this.#calls.clear();
    // Closing the client alone would let calls that already have a connection go on.
    for (const call of calls) call.cancel();
    this.#client.close();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    const channel = this.#client.getChannel();
    const state = channel.getConnectivityState(false);
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      this.#watching = false;
      // When this function is called, the channel has not finished its change of state, so the new state is read
      // afterwards.
      queueMicrotask(() => {
        if (channel.getConnectivityState(false) !== connectivityState.SHUTDOWN) this.#options.onLost?.();
      });
    });
  }

  #call<Answer>(method: Method, request: Uint8Array, read: (answer: Uint8Array) => Answer): Promise<Answer> {
    const { endpoint } = this.#options;
    const deadline = this.#deadlines[method];
    const timeoutMs = deadline.ms;
    const beganMs = performance.now();
    return new Promise((resolve, reject) => {
      const fail = (failure: CriFailure, detail: string): void => {
        reject(new CriError(`cannot call ${method} at "${endpoint}": ${detail}`, failure));
      };
      const done = (error: ServiceError | null, answer?: Uint8Array): void => {
        this.#calls.delete(call);
        if (error !== null || answer === undefined) {
          const failure = error === null ? "malformed" : failureOf(error);
          if (failure === "timeout") deadline.passed();
          fail(failure, failure === "timeout" ? `no answer within ${timeoutMs} ms` : detailOf(error));
          return;
        }
        deadline.answered(performance.now() - beganMs);
        try {
          resolve(read(answer));
        } catch (cause) {
          fail("malformed", messageOf(cause));
        }
      };
      const path = `${SERVICE}/${method}`;
      const options = { deadline: Date.now() + timeoutMs };
      const metadata = new Metadata();
      const call = this.#client.makeUnaryRequest(
        path,
        sameBytes,
        sameBytes,
        request,
        metadata,
        options,
        done,
      );
      this.#calls.add(call);
    });
  }
}

/** Passes messages through gRPC unchanged, because this client encodes and decodes them itself. */
function sameBytes(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Returns gRPC's text for an error, without its prefix, and without the time of day, which would make each message differ. */
function detailOf(error: ServiceError | null): string {
  return (error?.details ?? "no answer")
    .replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/ \(\d{4}-\d\d-\d\dT[^()]*\)/, "")
    .replace(/\. Resolution note: $/, "");
}

function failureOf({ code }: ServiceError): CriFailure {
  switch (code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
      return "unavailable";
    case status.DEADLINE_EXCEEDED:
      return "timeout";
    case status.RESOURCE_EXHAUSTED:
      return "too_large";
    case status.UNIMPLEMENTED:
      return "unimplemented";
    default:
      return "error";
  }
}
