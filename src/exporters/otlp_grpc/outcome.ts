// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { readAcceptance } from "../../otlp/answer.ts";
import { RetryInfoSchema } from "../../otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../otlp/generated/google/rpc/status_pb.ts";
import {
  type Answer,
  type Failure,
  type FailureKind,
  meaningOfGrpc,
  meaningOfHttp,
  saysTooLarge,
} from "../../peer/answer.ts";
import { codeName, GrpcCode, type GrpcFailure } from "../../push_grpc/status.ts";

/** Receivers' texts go to the log; a line should stay one. */
const MESSAGE_CHARS_MAX = 1_000;

const UNREADABLE = { rejectedPoints: 0, message: "the receiver's answer cannot be decoded" };

/** What an answer without an error means. One that cannot be read takes nothing back: gRPC's status said that it is well. */
export function answerOfResponse(response: Uint8Array): Answer {
  return { kind: "delivered", ...(readAcceptance(response, "proto") ?? UNREADABLE) };
}

/** What a failure means, and how long the peer wants to be left alone. `address` says whose words these are. */
export function answerOfFailure(failure: GrpcFailure, address: string): Failure {
  const { code, details, statusDetails } = failure;
  const name = codeName(code);
  const delayMs = retryDelayMs(statusDetails) ?? failure.delayMs;
  const isTooLarge = code === GrpcCode.RESOURCE_EXHAUSTED && saysTooLarge(details);
  return {
    kind: meaningOf(failure, delayMs !== undefined),
    status: name,
    error: `${address}: ${name}: ${details.slice(0, MESSAGE_CHARS_MAX)}`,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(isTooLarge ? { isTooLarge } : {}),
  };
}

/** An answer that is not gRPC's comes from something before the service. */
function meaningOf({ code, httpStatus }: GrpcFailure, hasDelay: boolean): FailureKind {
  return httpStatus === undefined ? meaningOfGrpc(codeName(code), hasDelay) : meaningOfHttp(httpStatus);
}

/** The delay of a RetryInfo among the details; undefined where there is none that makes sense. */
function retryDelayMs(details: Uint8Array | undefined): number | undefined {
  if (details === undefined) return undefined;
  try {
    for (const detail of fromBinary(StatusSchema, details).details) {
      const retryInfo = anyUnpack(detail, RetryInfoSchema);
      if (retryInfo?.retryDelay !== undefined) return Math.max(0, durationMs(retryInfo.retryDelay));
    }
  } catch {
    return undefined;
  }
  return undefined;
}
