// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";

/** Decodes snappy's block format. Throws on everything that the format's description does not allow. */
export function decodeSnappy(bytes: Uint8Array): Uint8Array {
  let at = 0;
  const take = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index++)
      value += (bytes[at++] ?? assert.fail("cut off")) * 256 ** index;
    return value;
  };
  let length = 0;
  for (let shift = 1, more = true; more; shift *= 128) {
    const byte = take(1);
    length += (byte % 128) * shift;
    more = byte >= 128;
  }
  const out = new Uint8Array(length);
  let written = 0;
  const copy = (distance: number, count: number): void => {
    assert.ok(distance > 0 && distance <= written, `a copy from ${distance} before ${written}`);
    for (let index = 0; index < count; index++, written++) out[written] = out[written - distance] ?? 0;
  };
  while (at < bytes.length) {
    const tag = take(1);
    const upper = tag >> 2;
    if (tag % 4 === 0) {
      const count = (upper < 60 ? upper : take(upper - 59)) + 1;
      assert.ok(at + count <= bytes.length && written + count <= length, "a literal that is too long");
      out.set(bytes.subarray(at, at + count), written);
      at += count;
      written += count;
    } else if (tag % 4 === 1) copy((tag >> 5) * 256 + take(1), (upper % 8) + 4);
    else copy(take(tag % 4 === 2 ? 2 : 4), upper + 1);
    assert.ok(written <= length, "more than was announced");
  }
  assert.equal(written, length, "as much as was announced");
  return out;
}
