import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  compressionAlgorithms,
  Metadata,
  status,
} from "@grpc/grpc-js";
import { answerWithoutCredentials, sendAuthenticated } from "../../auth/attempt.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../../component/authenticator.ts";
import type { Answer } from "../../delivery/answer.ts";
import type { Send } from "../../delivery/sender.ts";
import { answerOfError, answerOfResponse } from "./outcome.ts";

export interface GrpcClientOptions {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly channel: ChannelOptions;
  readonly headers: Readonly<Record<string, string>>;
  readonly waitForReady: boolean;
  readonly timeoutMs: number;
  readonly authenticator?: ClientAuthenticator | undefined;
}

const EXPORT_PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/**
 * So many attempts in a row that meet nothing but their deadline make a new connection: one whose peer has vanished
 * without a word looks healthy until TCP gives up, after a quarter of an hour.
 */
const DEADLINES_IN_A_ROW_MAX = 3;

/** Sends encoded requests to an OTLP server. Makes no attempt of its own to repeat anything. */
export class OtlpGrpcClient {
  readonly #options: GrpcClientOptions;
  /** The target as a user would write it. */
  readonly #address: string;
  /** What an authenticator sees of each request, beside its body. */
  readonly #unsent: Omit<UnsentRequest, "body">;
  #client: Client;
  #deadlinesInARow = 0;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#address = options.target.replace(/^dns:/, "");
    const headers = Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value]);
    this.#unsent = {
      method: "POST",
      url: `${this.#address}${EXPORT_PATH}`,
      headers: Object.fromEntries(headers) as RequestHeaders,
    };
    this.#client = this.#connect();
  }

  send: Send = async ({ parts }, signal) => {
    const answer = await this.#attempt(Buffer.concat(parts), signal);
    const late = answer.kind !== "delivered" && answer.status === status[status.DEADLINE_EXCEEDED];
    this.#deadlinesInARow = late ? this.#deadlinesInARow + 1 : 0;
    if (this.#deadlinesInARow >= DEADLINES_IN_A_ROW_MAX) {
      this.#deadlinesInARow = 0;
      // Calls that are still open on the old connection end by themselves.
      this.#client.close();
      this.#client = this.#connect();
    }
    return answer;
  };

  close(): void {
    this.#client.close();
  }

  #connect(): Client {
    const { target, credentials, channel } = this.#options;
    return new Client(target, credentials, channel);
  }

  async #attempt(body: Buffer, signal: AbortSignal): Promise<Answer> {
    try {
      return await sendAuthenticated(
        this.#options.authenticator,
        { ...this.#unsent, body },
        {
          signal,
          send: (headers) => this.#call(this.#metadataOf(headers), body, signal),
          isRefused: (answer) =>
            answer.kind !== "delivered" && answer.status === status[status.UNAUTHENTICATED],
        },
      );
    } catch (error) {
      return answerWithoutCredentials(error, this.#address);
    }
  }

  #metadataOf(headers: RequestHeaders): Metadata {
    const metadata = new Metadata({ waitForReady: this.#options.waitForReady });
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return metadata;
  }

  #call(metadata: Metadata, bytes: Buffer, signal: AbortSignal): Promise<Answer> {
    const { timeoutMs } = this.#options;
    return new Promise((resolve) => {
      const call = this.#client.makeUnaryRequest(
        EXPORT_PATH,
        (request: Buffer) => request,
        (response: Buffer) => response,
        bytes,
        metadata,
        { deadline: timeoutMs > 0 ? Date.now() + timeoutMs : Number.POSITIVE_INFINITY },
        (error, response) => {
          signal.removeEventListener("abort", cancel);
          if (error === null) resolve(answerOfResponse(response ?? new Uint8Array()));
          else if (signal.aborted) resolve(deadlineExceeded(this.#address, timeoutMs));
          else resolve(answerOfError(error, this.#address));
        },
      );
      const cancel = (): void => call.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      if (signal.aborted) cancel();
    });
  }
}

function deadlineExceeded(address: string, timeoutMs: number): Answer {
  const name = status[status.DEADLINE_EXCEEDED];
  return { kind: "busy", status: name, error: `${address}: ${name}: no answer within ${timeoutMs} ms` };
}

export interface ChannelSettings {
  readonly compression: "gzip" | "none";
  readonly userAgent: string;
  readonly balancer: "round_robin" | "pick_first";
  readonly keepalive: {
    readonly time: number;
    readonly timeout: number;
    readonly permit_without_stream: boolean;
  };
  readonly authority: string | undefined;
  readonly serverName: string | undefined;
}

/** A failed connection is tried again this often at first and at last; Delivery's own waits come on top. */
const RECONNECT_MS = { initial: 1_000, max: 5_000 };

/** grpc-js's words for the Collector's options. */
export function channelOptions(settings: ChannelSettings): ChannelOptions {
  const { compression, userAgent, balancer, keepalive, authority, serverName } = settings;
  return {
    "grpc.default_compression_algorithm":
      compression === "gzip" ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
    "grpc.primary_user_agent": userAgent,
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [balancer]: {} }] }),
    // The configuration decides, not a TXT record.
    "grpc.service_config_disable_resolution": 1,
    // Retries are Delivery's; without this, every request would be kept a second time.
    "grpc.enable_retries": 0,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS.initial,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS.max,
    "grpc.keepalive_time_ms": keepalive.time,
    "grpc.keepalive_timeout_ms": keepalive.timeout,
    "grpc.keepalive_permit_without_calls": keepalive.permit_without_stream ? 1 : 0,
    ...(authority === undefined ? {} : { "grpc.default_authority": authority }),
    ...(serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName }),
  };
}
