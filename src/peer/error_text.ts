// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "../text/error_text.ts";

/** Matches Node's advice to change its command line, which is removed because users of the agent cannot follow it. */
const NODE_ADVICE = /; if the root CA is installed locally.*$/s;

/** Matches an OpenSSL error: thread, number, library, function, reason (captured) and place in the source code. */
const OPENSSL = /(?<![0-9A-F])[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*$/s;

/** Returns the reason in an error of OpenSSL, such as "wrong version number"; undefined for any other error. */
export function opensslReason(error: unknown): string | undefined {
  return error instanceof Error ? OPENSSL.exec(error.message)?.[1] : undefined;
}

/** Returns the text of a connection's error. If several addresses were tried, joins the texts of all attempts. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(errorText).join(", ");
  return messageOf(error).replace(NODE_ADVICE, "").replace(OPENSSL, "$1");
}
