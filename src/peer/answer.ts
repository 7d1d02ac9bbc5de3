// SPDX-License-Identifier: Apache-2.0
/**
 * What a peer's answer to a request means, the same for HTTP and gRPC:
 * - "delivered": the peer has it;
 * - "busy": the peer, or the way to it, is in trouble that may pass;
 * - "split": the request is too large, or a part of it is bad;
 * - "hold": the address or the credentials are wrong, which is nothing about the request;
 * - "drop": the request can never be sent.
 */
export type Answer =
  | { readonly kind: "delivered"; readonly rejectedPoints: number; readonly message: string }
  | Failure;

export type FailureKind = "busy" | "split" | "hold" | "drop";

export interface Failure {
  readonly kind: FailureKind;
  /** What happened, as few words as there are kinds of it: a status, or a code of the transport. Labels a metric. */
  readonly status: string;
  /** What happened, in words, with the URL or address and the peer's first words. */
  readonly error: string;
  /** How long the peer asked to be left alone; undefined where it did not ask. */
  readonly delayMs?: number | undefined;
  /** Whether the peer said that the request is too large. */
  readonly isTooLarge?: boolean;
}

/** What the user says about statuses, as texts: `retry_on_failure::{retryable,dropped}_status_codes`. */
export interface StatusRules {
  readonly retryable: ReadonlySet<string>;
  readonly dropped: ReadonlySet<string>;
}

/** Statuses of HTTP other than 2xx that are not told by their class. */
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

/** What a status of HTTP means, which is none of 2xx. Every other 5xx may pass; every other one says that the way is wrong. */
export function meaningOfHttp(status: number): FailureKind {
  return HTTP[status] ?? (status >= 500 ? "busy" : "hold");
}

/** By name: what a gRPC status means that a peer sent. Those that are not here may pass. */
const GRPC: Readonly<Record<string, FailureKind>> = {
  INVALID_ARGUMENT: "split",
  ALREADY_EXISTS: "split",
  FAILED_PRECONDITION: "split",
  UNAUTHENTICATED: "hold",
  PERMISSION_DENIED: "hold",
  NOT_FOUND: "hold",
  UNIMPLEMENTED: "hold",
};

/** What a gRPC status means that a peer sent; RESOURCE_EXHAUSTED is about the request, unless the peer says when to come back. */
export function meaningOfGrpc(status: string, hasDelay: boolean): FailureKind {
  if (status === "RESOURCE_EXHAUSTED") return hasDelay ? "busy" : "split";
  return GRPC[status] ?? "busy";
}

/** Of the request, and not of its rate: "request rate exceeds the limit" is another matter. */
const TOO_LARGE =
  /larger than|(message|request|body|payload|entity|content)( size| length| body| entity)?( is| was)? (too (large|big)|exceeds|over)|(max|maximum|limit)[^.]{0,80} (message|request|body|payload) size/i;

/** Whether a peer's words say that the request is too large, whatever its status. */
export function saysTooLarge(text: string): boolean {
  return TOO_LARGE.test(text);
}

/** The failure as the user wants it understood. */
export function underRules(failure: Failure, rules: StatusRules): Failure {
  if (rules.dropped.has(failure.status)) return { ...failure, kind: "drop" };
  if (rules.retryable.has(failure.status)) return { ...failure, kind: "busy" };
  return failure;
}
