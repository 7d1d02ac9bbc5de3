// SPDX-License-Identifier: Apache-2.0
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, ServerCredentials, status } from "@grpc/grpc-js";
import { RetryInfoSchema } from "../../src/otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/otlp/generated/google/rpc/status_pb.ts";
import { type Answer, OK, startOtlpServer } from "../kit/destinations/otlp_server.ts";
import type { DestinationOptions } from "./recorder.ts";
import type { Destination, Refusal } from "./reply.ts";

/** A real OTLP server over gRPC. */
export async function startGrpcDestination(options: DestinationOptions): Promise<Destination> {
  const { decide, tls, messageBytesMax } = options;
  const answer: Answer = (call, reply) => {
    // A server that keeps requests for its tests would keep those of hours here.
    server.requests.length = 0;
    const decided = decide(call.request);
    if (decided.kind === "taken") setTimeout(() => OK(call, reply), decided.afterMs);
    else if (decided.kind === "refused") reply(errorOf(decided.refusal));
  };
  const server = await startOtlpServer({
    answers: [answer],
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
    ...(tls === undefined
      ? {}
      : {
          credentials: ServerCredentials.createSsl(
            tls.ca,
            [{ private_key: tls.key, cert_chain: tls.cert }],
            true,
          ),
        }),
  });
  return { address: server.endpoint, close: () => server.close() };
}

function errorOf({ grpc, words, comeBackMs }: Refusal) {
  return {
    code: grpc,
    details: words,
    metadata: comeBackMs === undefined ? new Metadata() : comeBackAfter(comeBackMs),
  };
}

function comeBackAfter(ms: number): Metadata {
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
  const detail = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
  const metadata = new Metadata();
  const message = create(StatusSchema, { code: status.RESOURCE_EXHAUSTED, details: [detail] });
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, message)));
  return metadata;
}
