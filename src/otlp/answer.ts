// SPDX-License-Identifier: Apache-2.0
import { fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { StatusSchema } from "./generated/google/rpc/status_pb.ts";
import {
  type ExportMetricsServiceResponse,
  ExportMetricsServiceResponseSchema,
} from "./generated/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";

/** The encoding of requests and answers: protobuf or JSON. */
export type OtlpEncoding = "proto" | "json";

/** A receiver's answer to a request that it accepted. */
export interface Acceptance {
  /** The number of points of the request that the receiver rejected nevertheless. */
  readonly rejectedPoints: number;
  /** A text for people; empty if the receiver sent none. */
  readonly message: string;
}

/** The most characters of a receiver's message that are kept, since it is logged. */
const MESSAGE_CHARS_MAX = 1_000;
/** Unknown fields are ignored, since newer receivers may send fields that this build does not know. */
const JSON_OPTIONS = { ignoreUnknownFields: true };
/** Fields by which a JSON error is recognized, in lower case. Some gateways send a JSON error with status 200. */
const ERROR_KEYS: ReadonlySet<string> = new Set(["error", "errors", "code", "message", "status"]);

/** The first byte of a google.rpc.Status: its field 1 is a number. In a response, field 1 is a message. */
const STATUS_CODE_TAG = 0x08;

/** Reads an ExportMetricsServiceResponse. Returns undefined if the bytes are no such message. */
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
  // The decoder skips fields of an unexpected type, so it would take a status for an empty response.
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

/** Reads the text of a google.rpc.Status. Returns undefined if the bytes are no such message. */
export function readStatusMessage(status: Uint8Array, encoding: OtlpEncoding): string | undefined {
  try {
    if (encoding === "proto") return fromBinary(StatusSchema, status).message.slice(0, MESSAGE_CHARS_MAX);
    // The status is parsed as plain JSON, since its details may have types that this build does not know.
    const { message } = JSON.parse(decodeText(status));
    return typeof message === "string" ? message.slice(0, MESSAGE_CHARS_MAX) : undefined;
  } catch {
    return undefined;
  }
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
