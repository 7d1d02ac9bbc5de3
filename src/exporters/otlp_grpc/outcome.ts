// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { codeName, GrpcCode, type GrpcFailure } from "../../grpc_client/status.ts";
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

/** The most characters of a receiver's message that are kept, since it is logged. */
const MESSAGE_CHARS_MAX = 1_000;

const UNREADABLE = { rejectedPoints: 0, message: "the receiver's answer cannot be decoded" };

/** Returns the meaning of an answer with status OK. It is "delivered" even if the answer cannot be decoded. */
export function answerOfResponse(response: Uint8Array): Answer {
  return { kind: "delivered", ...(readAcceptance(response, "proto") ?? UNREADABLE) };
}

/**
 * Returns the meaning of a failed call, with the pause that the peer asked for. The error text begins with `address`.
 */
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

/**
 * Returns the kind of a failure. If it has an HTTP status, something in front of the server answered, such as a proxy.
 */
function meaningOf({ code, httpStatus }: GrpcFailure, hasDelay: boolean): FailureKind {
  return httpStatus === undefined ? meaningOfGrpc(codeName(code), hasDelay) : meaningOfHttp(httpStatus);
}

/** Returns the delay of a RetryInfo in a status' details; undefined if there is none, or if it cannot be decoded. */
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
