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
 * Why a call failed: no connection, none since another socket has taken the place of the one that is mounted, no answer
 * in time, an answer too large or not to be read, or what the runtime said.
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

/** What the kubelet takes; gRPC's 4 MiB are too few for a node of a thousand pods with large annotations. */
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  // A runtime that restarts is back within seconds; gRPC's default grows to two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  // Closing this client then closes its connection, whatever other clients of the same socket do.
  "grpc.use_local_subchannel_pool": 1,
  // A connection that is dropped tells that the runtime restarts; one dropped for idleness would say so in error.
  "grpc.client_idle_timeout_ms": 2 ** 31 - 1,
  // Go's gRPC server hangs up on a client that pings an idle stream more often than every five minutes.
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
  /** How long a call may take at first; it gets longer after time-outs. The stream of events has no end. */
  readonly timeoutMs: number;
  /** The connection that answered `version` is gone; not called for the end by `close`. */
  onLost?(): void;
}

/** Who listens to the stream of events. */
export interface EventListener {
  event(event: PodEvent): void;
  /** The last call. "over" is an end without a fault. */
  end(failure: CriFailure | "over"): void;
}

/**
 * Speaks CRI v1 over one connection, which is opened by the first call and again by the next call after it broke.
 * Every call rejects with a `CriError` after its deadline at the latest.
 */
export class CriClient {
  readonly #options: CriClientOptions;
  readonly #client: Client;
  readonly #deadlines: Readonly<Record<Method, Deadline>>;
  #watching = false;
  /** Under way. */
  readonly #calls = new Set<{ cancel(): void }>();

  constructor(options: CriClientOptions) {
    this.#options = options;
    // One for each: a runtime whose lists are slow says its version at once.
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

  /** All pod sandboxes. What is wanted is asked when the answer is there. */
  pods(wanted: (id: string) => boolean): Promise<PodList> {
    return this.#call("ListPodSandbox", LIST_REQUEST, (answer) => decodeList(answer, wanted));
  }

  /** Follows the runtime's events until the client is closed; then `end` is not called. */
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

  /** Ends the connection and all that goes over it: calls under way reject. */
  close(): void {
    const calls = [...this.#calls];
    this.#calls.clear();
    // Closing a channel lets calls go on that have a connection already.
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
      // The channel is in the middle of its change here.
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

/** Messages are encoded and decoded here, so that gRPC passes them on as they are. */
function sameBytes(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What gRPC says, without its wrapping and its time of day, which would make every message another one. */
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
