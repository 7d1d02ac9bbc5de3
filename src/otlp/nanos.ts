// SPDX-License-Identifier: Apache-2.0
const nanos = new BigUint64Array(1);
const nanosBits = new Float64Array(nanos.buffer);

/**
 * The double whose 8 bytes are the nanoseconds of a Unix time: every such time until the year 2262 is a finite double,
 * so that the hot loops write one kind of number. Times that make no sense are 0, which OTLP reads as unknown.
 */
export function nanosAsDouble(ms: number): number {
  const sane = ms > 0 && ms < 9e12;
  // Microseconds are whole in a double, nanoseconds are not.
  nanos[0] = sane ? BigInt(Math.round(ms * 1_000)) * 1_000n : 0n;
  return nanosBits[0] as number;
}

/** The same of a start time. One that is not before the point's time is unknown: the clock was set back. */
export function startAsDouble(startMs: number, timeMs: number): number {
  return nanosAsDouble(startMs < timeMs ? startMs : 0);
}
