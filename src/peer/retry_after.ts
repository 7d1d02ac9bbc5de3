// SPDX-License-Identifier: Apache-2.0
const SECONDS = /^[0-9]+(\.[0-9]+)?$/;
/** All forms of a date begin with the day of the week. `Date.parse` alone finds years in many a text. */
const DATE = /^(mon|tue|wed|thu|fri|sat|sun)/i;

/**
 * How long a peer wants to be left alone, in milliseconds, by its `Retry-After` (RFC 9110, 10.2.3): in seconds, which some
 * write with a fraction, or as a date. 0 for a date that is past, and for what makes no sense.
 */
export function retryAfterMs(header: string, nowMs: number): number {
  const text = header.trim();
  if (SECONDS.test(text)) return Math.ceil(Number(text) * 1_000);
  const atMs = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}
