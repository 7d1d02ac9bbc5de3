import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { StatusSchema } from "./generated/google/rpc/status_pb.ts";
import { ExportMetricsServiceResponseSchema } from "./generated/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";

/** How a message is written. */
export type OtlpEncoding = "proto" | "json";

/** What a receiver says about a request that it took: how many points it dropped, and anything else in words. */
export interface Acceptance {
  readonly rejectedPoints: number;
  readonly message: string;
}

/** Receivers' texts go to the log; a line should stay one. */
const MESSAGE_CHARS_MAX = 1_000;
/** Newer receivers may say more than this build knows. */
const JSON_OPTIONS = { ignoreUnknownFields: true };

/** Reads an ExportMetricsServiceResponse. One that cannot be read takes nothing back: the request was accepted. */
export function readAcceptance(response: Uint8Array, encoding: OtlpEncoding): Acceptance {
  try {
    const { partialSuccess } =
      encoding === "proto"
        ? fromBinary(ExportMetricsServiceResponseSchema, response)
        : fromJsonString(ExportMetricsServiceResponseSchema, decodeText(response), JSON_OPTIONS);
    return {
      rejectedPoints: Math.max(0, Number(partialSuccess?.rejectedDataPoints ?? 0n)),
      message: (partialSuccess?.errorMessage ?? "").slice(0, MESSAGE_CHARS_MAX),
    };
  } catch {
    return { rejectedPoints: 0, message: "the receiver's answer cannot be decoded" };
  }
}

/** The message of a google.rpc.Status; undefined where the bytes are none. */
export function readStatusMessage(status: Uint8Array, encoding: OtlpEncoding): string | undefined {
  try {
    if (encoding === "proto") return fromBinary(StatusSchema, status).message.slice(0, MESSAGE_CHARS_MAX);
    // Its details are of types that this build need not know.
    const { message } = JSON.parse(decodeText(status));
    return typeof message === "string" ? message.slice(0, MESSAGE_CHARS_MAX) : undefined;
  } catch {
    return undefined;
  }
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
