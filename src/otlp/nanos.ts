// SPDX-License-Identifier: Apache-2.0
const nanos = new BigUint64Array(1);
const nanosBits = new Float64Array(nanos.buffer);

/**
 * Returns the double whose 8 bytes are the Unix time in nanoseconds, so that the hot loops write doubles only. A
 * time that is not positive or after the year 2255 gives 0, which means "unknown" in OTLP. The limit is below
 * the year 2262, in which the bytes become those of an infinity or a NaN.
 */
export function nanosAsDouble(ms: number): number {
  const sane = ms > 0 && ms < 9e12;
  // A number of milliseconds is exact to about a microsecond, so the nanoseconds are rounded to microseconds.
  nanos[0] = sane ? BigInt(Math.round(ms * 1_000)) * 1_000n : 0n;
  return nanosBits[0] as number;
}

/** Like `nanosAsDouble`, for a start time. Returns 0 if the start is not before `timeMs`: the clock was set back. */
export function startAsDouble(startMs: number, timeMs: number): number {
  return nanosAsDouble(startMs < timeMs ? startMs : 0);
}
