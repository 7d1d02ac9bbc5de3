// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from "node:timers/promises";
import { requestJson } from "./json.ts";

/**
 * Converts an encoded request to OTLP/JSON. Lets other work run after each sandbox, so that scrapes and pulls are not
 * delayed. Rejects if the bytes are no request, or when the signal aborts.
 */
export async function pacedJson(request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const part of requestJson(request)) {
    parts.push(Buffer.from(part));
    await setImmediate();
    signal.throwIfAborted();
  }
  return Buffer.concat(parts);
}
