// SPDX-License-Identifier: Apache-2.0
import { unlessAborted } from "../clock/abort.ts";
import type { Failure } from "../peer/answer.ts";
import { messageOf } from "../text/error_text.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "./authenticator.ts";
import { LastingError } from "./lasting_error.ts";

/** How one request is sent and its result is read. */
export interface AttemptOptions<T> {
  readonly signal: AbortSignal;
  /** Sends the request with these headers. Never rejects. */
  send(headers: RequestHeaders): Promise<T>;
  /** Returns whether the result says that the peer refused the credentials. */
  isRefused(result: T): boolean;
}

/**
 * Sends a request with credentials. If the peer refuses the credentials and the authenticator has new ones, sends the
 * request once more. Rejects if the authenticator has no credentials, or gets none before `signal` aborts. The peer has
 * then got no request, or one whose credentials it refused.
 */
export async function sendAuthenticated<T>(
  authenticator: ClientAuthenticator | undefined,
  request: UnsentRequest,
  { signal, send, isRefused }: AttemptOptions<T>,
): Promise<T> {
  if (authenticator === undefined) return await send(request.headers);
  const headers = await beforeAbort(authenticator.authenticate(request), signal);
  const result = await send(headers);
  if (!isRefused(result) || signal.aborted || !(await beforeAbort(authenticator.renew(headers), signal)))
    return result;
  return await send(await beforeAbort(authenticator.authenticate(request), signal));
}

/** Returns the failure of a request for which there are no credentials. `address` is the peer's, for the message. */
export function answerWithoutCredentials(error: unknown, address: string): Failure {
  const text = messageOf(error);
  const kind = error instanceof LastingError ? "hold" : "busy";
  return { kind, status: "credentials", error: `${address}: ${text}` };
}

/** Waits like `unlessAborted`. When the signal aborts, the error says that the attempt was waiting for credentials. */
function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return unlessAborted(work, signal).catch((error: unknown) => {
    throw error === signal.reason ? new Error("cannot get credentials before the attempt's deadline") : error;
  });
}
