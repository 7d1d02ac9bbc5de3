// SPDX-License-Identifier: Apache-2.0
import { fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { StatusSchema } from "./generated/google/rpc/status_pb.ts";
import {
  type ExportMetricsServiceResponse,
  ExportMetricsServiceResponseSchema,
} from "./generated/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";

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
/** In lower case: fields by which JSON tells of an error. Gateways send that under a status of 200 as well. */
const ERROR_KEYS: ReadonlySet<string> = new Set(["error", "errors", "code", "message", "status"]);

/** Field 1 as a number, with which a google.rpc.Status begins; that of a response is a message. */
const STATUS_CODE_TAG = 0x08;

/** Reads an ExportMetricsServiceResponse; undefined where the bytes are none. */
export function readAcceptance(response: Uint8Array, encoding: OtlpEncoding): Acceptance | undefined {
  try {
    const { partialSuccess } =
      encoding === "proto" ? responseOfProto(response) : responseOfJson(decodeText(response));
    return {
      rejectedPoints: Math.max(0, Number(partialSuccess?.rejectedDataPoints ?? 0n)),
      message: (partialSuccess?.errorMessage ?? "").slice(0, MESSAGE_CHARS_MAX),
    };
  } catch {
    return undefined;
  }
}

function responseOfProto(bytes: Uint8Array): ExportMetricsServiceResponse {
  // The decoder does not look at the types of fields, and finds an empty response in many a status.
  if (bytes[0] === STATUS_CODE_TAG) throw new Error("the message is a google.rpc.Status");
  return fromBinary(ExportMetricsServiceResponseSchema, bytes);
}

function responseOfJson(text: string): ExportMetricsServiceResponse {
  const json: JsonValue = JSON.parse(text);
  const response = fromJson(ExportMetricsServiceResponseSchema, json, JSON_OPTIONS);
  const isError = Object.keys(json ?? {}).some((key) => ERROR_KEYS.has(key.toLowerCase()));
  if (isError && response.partialSuccess === undefined) throw new Error("the JSON is that of an error");
  return response;
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
