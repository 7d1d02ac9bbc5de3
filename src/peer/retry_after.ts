// SPDX-License-Identifier: Apache-2.0
const SECONDS = /^[0-9]+(\.[0-9]+)?$/;
/** All forms of an HTTP date begin with the day of the week. `Date.parse` alone would accept many other texts. */
const DATE = /^(mon|tue|wed|thu|fri|sat|sun)/i;

/**
 * Returns how long a peer asks to wait, in milliseconds, by its `Retry-After` (RFC 9110, 10.2.3). The header is a date,
 * or a number of seconds, to which some peers add a fraction. Returns 0 for a date in the past and for any other text.
 */
export function retryAfterMs(header: string, nowMs: number): number {
  const text = header.trim();
  if (SECONDS.test(text)) return Math.ceil(Number(text) * 1_000);
  const atMs = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}
