// SPDX-License-Identifier: Apache-2.0
/** Makes a small seeded generator of numbers from 0 to 1 (mulberry32). The same seed gives the same node, run after run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the items in an order that `random` chooses. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let last = out.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const moved = out[last] as T; // Both indices are in range.
    out[last] = out[other] as T;
    out[other] = moved;
  }
  return out;
}
