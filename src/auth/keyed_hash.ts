// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const KEY = randomBytes(32);

/**
 * A hash under a key that ends with the process: two of them tell whether secrets are the same, and nothing of what they
 * are. No text but the last may hold a NUL.
 */
export function keyedHash(...texts: readonly string[]): Buffer {
  return createHmac("sha256", KEY).update(texts.join("\0")).digest();
}

/** Takes as long whichever it is, or none. */
export function isAmong(hash: Buffer, wanted: readonly Buffer[]): boolean {
  let found = false;
  for (const one of wanted) found = timingSafeEqual(hash, one) || found;
  return found;
}
