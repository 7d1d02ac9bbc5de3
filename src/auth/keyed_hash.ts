// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const KEY = randomBytes(32);

/**
 * Hashes secrets with a key that exists only in this process. Equal hashes mean equal secrets, and a hash reveals
 * nothing else. Only the last text may contain a NUL, since NULs separate the texts.
 */
export function keyedHash(...texts: readonly string[]): Buffer {
  return createHmac("sha256", KEY).update(texts.join("\0")).digest();
}

/**
 * Returns whether the hash is in `wanted`. Compares it with all of them, so that the time does not tell which one it
 * is.
 */
export function isAmong(hash: Buffer, wanted: readonly Buffer[]): boolean {
  let found = false;
  for (const one of wanted) found = timingSafeEqual(hash, one) || found;
  return found;
}
