// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, ServerCredentials, status } from "@grpc/grpc-js";
import { RetryInfoSchema } from "../../../src/otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../src/otlp/generated/google/rpc/status_pb.ts";
import { closer } from "../closing.ts";
import { OK, startOtlpServer } from "./otlp_server.ts";
import { type PostedRequest, startPushServer } from "./push_server.ts";

/** A refusal as both protocols express it. */
export interface Refusal {
  /** The status of HTTP. */
  readonly http: number;
  /** The status of gRPC. */
  readonly grpc: number;
  readonly words: string;
  /** Further headers of HTTP. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The pause that the client is asked to make: `Retry-After`, in whole seconds, or a RetryInfo. */
  readonly comeBackMs?: number;
}

/** A destination's answer to a request. */
export type Reply =
  | { readonly kind: "taken"; readonly afterMs: number }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No answer comes. */
  | { readonly kind: "silence" };

/** Decides about a request; `message` is its body without compression. */
export type Decide = (message: Uint8Array) => Reply;

export type Protocol = "grpc" | "http";

/** Certificates in PEM. A client must have a certificate of that authority. */
export interface ServerTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface DestinationOptions {
  readonly decide: Decide;
  readonly tls?: ServerTls;
  /** The largest message that the server itself takes over gRPC. */
  readonly messageBytesMax?: number;
}

/** A server that gives the same replies in either protocol, and keeps no request. */
export interface Destination {
  /** `127.0.0.1:port` */
  readonly address: string;
  close(): void;
}

/** Starts a server: of OTLP over gRPC, or of any posts over HTTP. */
export function startDestination(protocol: Protocol, options: DestinationOptions): Promise<Destination> {
  return protocol === "grpc" ? startOverGrpc(options) : startOverHttp(options);
}

async function startOverGrpc({ decide, tls, messageBytesMax }: DestinationOptions): Promise<Destination> {
  const server = await startOtlpServer({
    keeps: false,
    answers: [
      (call, reply) => {
        const decided = decide(call.request);
        if (decided.kind === "taken") setTimeout(() => OK(call, reply), decided.afterMs);
        else if (decided.kind === "refused") reply(errorOf(decided.refusal));
      },
    ],
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
  });
  return { address: server.endpoint, close: () => server.close() };
}

function credentialsOf({ ca, key, cert }: ServerTls): ServerCredentials {
  return ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: cert }], true);
}

function errorOf({ grpc, words, comeBackMs }: Refusal) {
  const metadata = comeBackMs === undefined ? new Metadata() : comeBackAfter(comeBackMs);
  return { code: grpc, details: words, metadata };
}

function comeBackAfter(ms: number): Metadata {
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
  const detail = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
  const metadata = new Metadata();
  const message = create(StatusSchema, { code: status.RESOURCE_EXHAUSTED, details: [detail] });
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, message)));
  return metadata;
}

async function startOverHttp({ decide, tls }: DestinationOptions): Promise<Destination> {
  const closing = closer();
  const server = await startPushServer(closing, {
    keeps: false,
    answers: [(_request, response, posted) => respond(response, decide(messageOf(posted)))],
    ...(tls === undefined ? {} : { tls: { ...tls, requestCert: true } }),
  });
  return { address: new URL(server.url).host, close: () => closing.close() };
}

function messageOf({ headers, body }: PostedRequest): Uint8Array {
  return headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

function respond(response: ServerResponse, reply: Reply): void {
  switch (reply.kind) {
    case "silence":
      return;
    case "taken":
      setTimeout(() => response.writeHead(200).end(), reply.afterMs);
      return;
    case "refused": {
      const { http, words, headers, comeBackMs } = reply.refusal;
      const retryAfter =
        comeBackMs === undefined ? {} : { "retry-after": String(Math.ceil(comeBackMs / 1_000)) };
      response.writeHead(http, { "content-type": "text/plain", ...headers, ...retryAfter }).end(words);
    }
  }
}
