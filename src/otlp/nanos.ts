// SPDX-License-Identifier: Apache-2.0
const nanos = new BigUint64Array(1);
const nanosBits = new Float64Array(nanos.buffer);

/**
 * Returns the double whose 8 bytes are the nanoseconds of a Unix time, so that the hot loops write doubles only. Each such
 * time until the year 2262 is a finite double. A time that makes no sense becomes 0, which is "unknown" in OTLP.
 */
export function nanosAsDouble(ms: number): number {
  const sane = ms > 0 && ms < 9e12;
  // A double has microseconds exactly, but not nanoseconds.
  nanos[0] = sane ? BigInt(Math.round(ms * 1_000)) * 1_000n : 0n;
  return nanosBits[0] as number;
}

/** Like `nanosAsDouble`, for a start time. It becomes 0 if it is not before the point's time, since the clock was set back. */
export function startAsDouble(startMs: number, timeMs: number): number {
  return nanosAsDouble(startMs < timeMs ? startMs : 0);
}
