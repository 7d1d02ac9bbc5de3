import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import type { SendOutcome } from "../../delivery/delivery.ts";
import { readAcceptance } from "../../otlp/answer.ts";
import { RetryInfoSchema } from "../../otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../otlp/generated/google/rpc/status_pb.ts";

/** The codes that OTLP says may pass. RESOURCE_EXHAUSTED does where the server says when to come back. */
const RETRYABLE: ReadonlySet<status> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);
/** Receivers' texts go to the log; a line should stay one. */
const MESSAGE_CHARS_MAX = 1_000;

/** What an answer without an error means. */
export function outcomeOfResponse(response: Uint8Array): SendOutcome {
  return { kind: "delivered", ...readAcceptance(response, "proto") };
}

/** What an error means, and how long the server wants to be left alone. */
export function outcomeOfError({ code, details, metadata }: ServiceError): SendOutcome {
  const errorType = status[code] ?? "UNKNOWN";
  const error = `${errorType}: ${details.slice(0, MESSAGE_CHARS_MAX)}`;
  const delayMs = retryDelayMs(metadata?.get("grpc-status-details-bin")[0]);
  const throttled = code === status.RESOURCE_EXHAUSTED && delayMs !== undefined;
  return RETRYABLE.has(code) || throttled
    ? { kind: "retryable", errorType, error, delayMs: delayMs ?? 0 }
    : { kind: "permanent", errorType, error };
}

/** The delay of a RetryInfo among the details; undefined where there is none that makes sense. */
function retryDelayMs(details: string | Buffer | undefined): number | undefined {
  if (!(details instanceof Uint8Array)) return undefined;
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
