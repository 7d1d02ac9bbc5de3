// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "../text/error_text.ts";

/** Node's advice about its own command line, which whoever runs the agent does not write. */
const NODE_ADVICE = /; if the root CA is installed locally.*$/s;

/** OpenSSL's: thread, number, library, function, reason, and a place in its sources. */
const OPENSSL = /(?<![0-9A-F])[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*$/s;

/** The reason in an error of OpenSSL's, such as "wrong version number"; undefined in any other. */
export function opensslReason(error: unknown): string | undefined {
  return error instanceof Error ? OPENSSL.exec(error.message)?.[1] : undefined;
}

/** The text of a connection's error. One that tried several addresses keeps its words in the attempts. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(errorText).join(", ");
  return messageOf(error).replace(NODE_ADVICE, "").replace(OPENSSL, "$1");
}
