// SPDX-License-Identifier: Apache-2.0
/**
 * The meaning of a peer's answer to a request, the same for HTTP and gRPC:
 * - "delivered": the peer has accepted the request;
 * - "busy": the peer, or the connection to it, fails for now. The request is sent again later;
 * - "split": the request is too large, or a part of it is bad. The request is sent again in parts;
 * - "hold": the address or the credentials are wrong. The request is kept, and tried again with back-off;
 * - "drop": the request can never be delivered.
 */
export type Answer =
  | { readonly kind: "delivered"; readonly rejectedPoints: number; readonly message: string }
  | Failure;

/** The kinds of answers other than "delivered". */
export type FailureKind = "busy" | "split" | "hold" | "drop";

/** An answer that did not accept the request; or, if there was no answer, the reason. */
export interface Failure {
  readonly kind: FailureKind;
  /** The peer's status, or the transport's error code. It labels a metric, so it must have few different values. */
  readonly status: string;
  /** A message with the URL or address and the beginning of the peer's answer. */
  readonly error: string;
  /** How long the peer asked to wait before the next request, in milliseconds; undefined if it did not ask. */
  readonly delayMs?: number | undefined;
  /** Whether the peer said that the request is too large. */
  readonly isTooLarge?: boolean;
}

/** The statuses in `retry_on_failure::{retryable,dropped}_status_codes`, as texts such as "503" or "INTERNAL". */
export interface StatusRules {
  readonly retryable: ReadonlySet<string>;
  readonly dropped: ReadonlySet<string>;
}

/** The HTTP statuses whose meaning differs from that of most statuses of their class (4xx, 5xx). */
const HTTP: Readonly<Record<number, FailureKind>> = {
  400: "split",
  408: "busy",
  413: "split",
  422: "split",
  425: "busy",
  429: "busy",
  501: "hold",
  505: "hold",
};

/**
 * Returns the meaning of an HTTP status other than 2xx. A status that is not in `HTTP` means "busy" if it is 5xx; any
 * other, such as 404 or a redirect, means that the address or the credentials are wrong.
 */
export function meaningOfHttp(status: number): FailureKind {
  return HTTP[status] ?? (status >= 500 ? "busy" : "hold");
}

/** The meaning of gRPC statuses that a peer sent, by name. A status that is not listed means "busy". */
const GRPC: Readonly<Record<string, FailureKind>> = {
  INVALID_ARGUMENT: "split",
  ALREADY_EXISTS: "split",
  FAILED_PRECONDITION: "split",
  UNAUTHENTICATED: "hold",
  PERMISSION_DENIED: "hold",
  NOT_FOUND: "hold",
  UNIMPLEMENTED: "hold",
};

/**
 * Returns the meaning of a gRPC status that a peer sent. RESOURCE_EXHAUSTED means that the request is too large, unless
 * the peer says how long to wait (`hasDelay`): then the peer is busy.
 */
export function meaningOfGrpc(status: string, hasDelay: boolean): FailureKind {
  if (status === "RESOURCE_EXHAUSTED") return hasDelay ? "busy" : "split";
  return GRPC[status] ?? "busy";
}

/** Matches texts about the size of a request. "request rate exceeds the limit" is about the rate and does not match. */
const TOO_LARGE =
  /larger than|(message|request|body|payload|entity|content)( size| length| body| entity)?( is| was)? (too (large|big)|exceeds|over)|(max|maximum|limit)[^.]{0,80} (message|request|body|payload) size/i;

/** Whether a peer's text says that the request is too large. */
export function saysTooLarge(text: string): boolean {
  return TOO_LARGE.test(text);
}

/**
 * Returns the failure with the kind that the user's rules give to its status, or unchanged if no rule has the status.
 */
export function underRules(failure: Failure, rules: StatusRules): Failure {
  if (rules.dropped.has(failure.status)) return { ...failure, kind: "drop" };
  if (rules.retryable.has(failure.status)) return { ...failure, kind: "busy" };
  return failure;
}
