// SPDX-License-Identifier: Apache-2.0
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { rawMethod } from "../../../src/simulator/raw_method.ts";

/** Answers one request; `call.request` is the message without compression. */
export type Answer = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void;

export interface ReceivedRequest {
  readonly bytes: Buffer;
  readonly metadata: Metadata;
}

export interface OtlpServer {
  /** `127.0.0.1:port`, or the `address` that was asked for. */
  readonly endpoint: string;
  /** In the order of arrival, answered or not. */
  readonly requests: ReceivedRequest[];
  close(): void;
}

export interface OtlpServerOptions {
  /** Called for the first request, the second …; the last one for all that follow. Default: OK. */
  readonly answers?: readonly Answer[];
  readonly credentials?: ServerCredentials;
  /** In the form of grpc-js: "127.0.0.1:0", "unix:/path". */
  readonly address?: string;
  /** The largest message that it takes, uncompressed; 4 MiB if left out, the limit of most receivers. */
  readonly messageBytesMax?: number;
  /** False where `requests` must stay empty, since the server takes requests for hours. */
  readonly keeps?: boolean;
}

const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

export const OK: Answer = (_call, reply) => reply(null, Buffer.alloc(0));

/** Starts a real gRPC server with an OTLP receiver's path and size limit, which keeps the bytes that it gets. */
export async function startOtlpServer(options: OtlpServerOptions = {}): Promise<OtlpServer> {
  const {
    answers = [OK],
    credentials = ServerCredentials.createInsecure(),
    address = "127.0.0.1:0",
    messageBytesMax = MESSAGE_BYTES_MAX,
    keeps = true,
  } = options;
  const requests: ReceivedRequest[] = [];
  let count = 0;
  const server = new Server({ "grpc.max_receive_message_length": messageBytesMax });
  const method = rawMethod("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
  const answer: Answer = (call, reply) => {
    const next = answers[Math.min(count++, answers.length - 1)] ?? OK;
    if (keeps) requests.push({ bytes: call.request, metadata: call.metadata });
    next(call, reply);
  };
  server.addService({ export: method }, { export: answer });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    endpoint: address.replace(/:0$/, `:${port}`),
    requests,
    close: () => server.forceShutdown(),
  };
}
