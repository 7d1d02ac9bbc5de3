// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from "node:timers/promises";
import { requestJson } from "./json.ts";

/**
 * An encoded request as OTLP/JSON. It is about many sandboxes, so scrapes and pulls go on between them. Rejects on bytes
 * that are no request, or when the signal aborts.
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
