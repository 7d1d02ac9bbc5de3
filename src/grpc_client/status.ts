// SPDX-License-Identifier: Apache-2.0
import { constants, type IncomingHttpHeaders } from "node:http2";
import { retryAfterMs } from "../peer/retry_after.ts";

/** The status codes of gRPC. */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** Why a call was not answered with OK. */
export interface GrpcFailure {
  /** A status code. It is one of `GrpcCode`, unless the peer does not follow the standard. */
  readonly code: number;
  /** The reason, in the peer's words or in the agent's own. */
  readonly details: string;
  /** An encoded `google.rpc.Status` with details; undefined if the peer sent none. */
  readonly statusDetails?: Uint8Array | undefined;
  /** The HTTP status of an answer that has no gRPC status, such as a proxy's; undefined for an answer of gRPC. */
  readonly httpStatus?: number;
  /** How long the peer asked to wait, by the header Retry-After; undefined if it did not ask. */
  readonly delayMs?: number;
}

/** Returns the name of a code, such as "UNAVAILABLE" for 14; "UNKNOWN" for any number that is no code. */
export function codeName(code: number): string {
  return Object.entries(GrpcCode).find(([, number]) => number === code)?.[0] ?? "UNKNOWN";
}

/** Reads the status from trailers, or from the headers of an answer without trailers; undefined if they have none. */
export function readStatus(headers: IncomingHttpHeaders): GrpcFailure | undefined {
  const code = headers["grpc-status"];
  if (typeof code !== "string" || !/^[0-9]{1,3}$/.test(code)) return undefined;
  const details = headers["grpc-status-details-bin"];
  return {
    code: Number(code),
    details: percentDecoded(String(headers["grpc-message"] ?? "")),
    statusDetails: typeof details === "string" ? Buffer.from(details, "base64") : undefined,
  };
}

/** Decodes a `grpc-message`, which is percent-encoded UTF-8. Returns a text that cannot be decoded as it came. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The gRPC codes for HTTP statuses of other servers, by gRPC's "HTTP to gRPC Status Code Mapping". */
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: GrpcCode.INTERNAL,
  401: GrpcCode.UNAUTHENTICATED,
  403: GrpcCode.PERMISSION_DENIED,
  404: GrpcCode.UNIMPLEMENTED,
  429: GrpcCode.UNAVAILABLE,
  502: GrpcCode.UNAVAILABLE,
  503: GrpcCode.UNAVAILABLE,
  504: GrpcCode.UNAVAILABLE,
};

/** Matches gRPC's content types, such as "application/grpc+proto". "application/grpc-web" is another protocol. */
const GRPC_TYPE = /^application\/grpc($|[+;])/i;

/** Returns the failure for an answer without a gRPC status. `nowMs` is the current time, for a date in Retry-After. */
export function statusOfHttp(headers: IncomingHttpHeaders, nowMs: number): GrpcFailure {
  const status = Number(headers[":status"] ?? 0);
  const type = headers["content-type"] ?? "no content type";
  if (status === 200 && GRPC_TYPE.test(type))
    return { code: GrpcCode.UNAVAILABLE, details: "the server ended its answer without a status" };
  const delayMs = retryAfterMs(headers["retry-after"] ?? "", nowMs);
  return {
    code: CODE_OF_HTTP[status] ?? GrpcCode.UNKNOWN,
    details: `the answer is not of gRPC: HTTP status ${status}, ${type}`,
    httpStatus: status,
    ...(delayMs > 0 ? { delayMs } : {}),
  };
}

/** Returns the name of an error code of HTTP/2, such as "REFUSED_STREAM" for 7. */
export function resetName(code: number): string {
  const found = Object.entries(constants).find(
    ([name, value]) => value === code && HTTP2_ERROR_NAME.test(name),
  );
  return found?.[0].replace(/^NGHTTP2_/, "") ?? `code ${code}`;
}

const HTTP2_ERROR_NAME =
  /^NGHTTP2_(NO_ERROR|PROTOCOL_ERROR|INTERNAL_ERROR|FLOW_CONTROL_ERROR|SETTINGS_TIMEOUT|STREAM_CLOSED|FRAME_SIZE_ERROR|REFUSED_STREAM|CANCEL|COMPRESSION_ERROR|CONNECT_ERROR|ENHANCE_YOUR_CALM|INADEQUATE_SECURITY|HTTP_1_1_REQUIRED)$/;
