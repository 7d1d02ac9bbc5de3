import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import {
  type Answer,
  type Failure,
  type FailureKind,
  meaningOfGrpc,
  meaningOfHttp,
  saysTooLarge,
} from "../../delivery/answer.ts";
import { readAcceptance } from "../../otlp/answer.ts";
import { RetryInfoSchema } from "../../otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../otlp/generated/google/rpc/status_pb.ts";

/** Receivers' texts go to the log; a line should stay one. */
const MESSAGE_CHARS_MAX = 1_000;

/**
 * How grpc-js words a status that it made up itself, for a stream that was reset or never began. The peer's service has
 * not spoken, so whatever the number is, it may pass.
 */
const TRANSPORT =
  /^(Received RST_STREAM|Connection dropped|No connection established|Stream refused|Call cancelled|Bandwidth exhausted|Protocol not secure|No status information|No message received|Write (error|failed))/;
/** How it words an answer that is not gRPC's: something before the service has answered. */
const PLAIN_HTTP = /^Received HTTP status code (\d+)/;

/** What an answer without an error means. */
export function answerOfResponse(response: Uint8Array): Answer {
  return { kind: "delivered", ...readAcceptance(response, "proto") };
}

/** What an error means, and how long the peer wants to be left alone. `address` says whose words these are. */
export function answerOfError({ code, details, metadata }: ServiceError, address: string): Failure {
  const name = status[code] ?? "UNKNOWN";
  const delayMs = retryDelayMs(metadata?.get("grpc-status-details-bin")[0]);
  const isTooLarge = code === status.RESOURCE_EXHAUSTED && saysTooLarge(details);
  return {
    kind: meaningOf(name, details, delayMs !== undefined),
    status: name,
    error: `${address}: ${name}: ${details.slice(0, MESSAGE_CHARS_MAX)}`,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(isTooLarge ? { isTooLarge } : {}),
  };
}

function meaningOf(name: string, details: string, hasDelay: boolean): FailureKind {
  if (TRANSPORT.test(details)) return "busy";
  const [, httpStatus] = PLAIN_HTTP.exec(details) ?? [];
  return httpStatus === undefined ? meaningOfGrpc(name, hasDelay) : meaningOfHttp(Number(httpStatus));
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
