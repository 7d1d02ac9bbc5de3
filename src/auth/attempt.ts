// SPDX-License-Identifier: Apache-2.0
import { unlessAborted } from "../clock/abort.ts";

import type { Failure } from "../peer/answer.ts";
import { messageOf } from "../text/error_text.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "./authenticator.ts";
import { LastingError } from "./lasting_error.ts";

export interface AttemptOptions<T> {
  readonly signal: AbortSignal;
  /** Sends the request with these headers. Never rejects. */
  send(headers: RequestHeaders): Promise<T>;
  /** Whether the peer did not take the credentials. */
  isRefused(result: T): boolean;
}

/**
 * Sends a request with credentials, and once more where the peer refuses them and there are others by now. Rejects, before
 * anything is sent, where there are no credentials, or none before `signal` aborts.
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

/** What it means for a request that there are no credentials for it; `address` says whom it was for. */
export function answerWithoutCredentials(error: unknown, address: string): Failure {
  const text = messageOf(error);
  const kind = error instanceof LastingError ? "hold" : "busy";
  return { kind, status: "credentials", error: `${address}: ${text}` };
}

/** As `unlessAborted`, with words that say what the attempt lacked. */
function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return unlessAborted(work, signal).catch((error: unknown) => {
    throw error === signal.reason ? new Error("cannot get credentials before the attempt's deadline") : error;
  });
}
