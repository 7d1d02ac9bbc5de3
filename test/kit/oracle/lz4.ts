// SPDX-License-Identifier: Apache-2.0
/** Decodes an LZ4 frame. Accepts only frames without checksums, with independent blocks and an end mark. */
export function readLz4Frame(frame: Uint8Array): Buffer {
  const bytes = Buffer.from(frame);
  if (bytes.readUInt32LE(0) !== 0x184d2204) throw new Error("the magic number is wrong");
  if (bytes[4] !== 0x60 || bytes[5] !== 0x70 || bytes[6] !== 0x73)
    throw new Error("the descriptor is another");
  const blocks: Buffer[] = [];
  let at = 7;
  for (let length = bytes.readUInt32LE(at); length !== 0; length = bytes.readUInt32LE(at)) {
    const isPlain = length >= 0x8000_0000;
    const end = at + 4 + (isPlain ? length - 0x8000_0000 : length);
    if (end > bytes.length) throw new Error("a block is cut off");
    const block = bytes.subarray(at + 4, end);
    blocks.push(isPlain ? block : readBlock(block));
    at = end;
  }
  if (at + 4 !== bytes.length) throw new Error("something follows the end mark");
  return Buffer.concat(blocks);
}

function readBlock(block: Buffer): Buffer {
  const out: number[] = [];
  let at = 0;
  const next = (): number => {
    const byte = block[at++];
    if (byte === undefined) throw new Error("a sequence is cut off");
    return byte;
  };
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble === 15) for (let more = 255; more === 255; length += more) more = next();
    return length;
  };
  for (;;) {
    const token = next();
    for (let left = lengthFrom(token >> 4); left > 0; left--) out.push(next());
    if (at === block.length) return Buffer.from(out);
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > out.length) throw new Error(`a distance of ${distance}`);
    for (let left = lengthFrom(token & 15) + 4; left > 0; left--) out.push(out.at(-distance) ?? 0);
  }
}
