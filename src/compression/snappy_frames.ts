// SPDX-License-Identifier: Apache-2.0
import { compress, uncompress } from "snappyjs";
import { crc32c } from "./crc32c.ts";

// Snappy's framing format (google/snappy, framing_format.txt): a stream identifier, then chunks. A chunk has a type, a
// length of three bytes and, if it has data, a masked CRC-32C of the uncompressed data.
const STREAM_IDENTIFIER = Buffer.from("\xff\x06\x00\x00sNaPpY", "latin1");
const COMPRESSED = 0x00;
const UNCOMPRESSED = 0x01;
/** The least type of chunks that a reader may skip if it does not know their type. */
const SKIPPABLE_MIN = 0x80;
const HEADER_BYTES = 4;
const CHECKSUM_BYTES = 4;
/** The most bytes of one chunk before compression, by the format. */
const CHUNK_BYTES_MAX = 65_536;
const CHECKSUM_MASK = 0xa282ead8;

/** Compresses the bytes to snappy's framing format. Its name in `content-encoding` is `x-snappy-framed`. */
export function toSnappyFrames(bytes: Uint8Array): Buffer {
  const chunks: Buffer[] = [STREAM_IDENTIFIER];
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES_MAX)
    chunks.push(...chunkOf(bytes.subarray(start, start + CHUNK_BYTES_MAX)));
  return Buffer.concat(chunks);
}

function chunkOf(plain: Uint8Array): readonly [Buffer, Buffer] {
  const packed = toSnappyBlock(plain);
  const isSmaller = packed.length < plain.length;
  const content = isSmaller ? packed : plain;
  const header = Buffer.alloc(HEADER_BYTES + CHECKSUM_BYTES);
  header.writeUInt8(isSmaller ? COMPRESSED : UNCOMPRESSED, 0);
  header.writeUIntLE(CHECKSUM_BYTES + content.length, 1, 3);
  header.writeUInt32LE(masked(crc32c(plain)), HEADER_BYTES);
  return [header, Buffer.from(content.buffer, content.byteOffset, content.length)];
}

/** Decompresses snappy's framing format. Throws if the stream is faulty or holds more than `bytesMax` bytes. */
export function fromSnappyFrames(stream: Buffer, bytesMax: number): Buffer {
  if (!stream.subarray(0, STREAM_IDENTIFIER.length).equals(STREAM_IDENTIFIER))
    throw new Error("cannot read snappy frames: the stream does not begin with its identifier");
  const plain: Uint8Array[] = [];
  let left = bytesMax;
  for (let at = STREAM_IDENTIFIER.length; at < stream.length; ) {
    if (at + HEADER_BYTES > stream.length) throw new Error("cannot read snappy frames: a chunk is cut off");
    const type = stream.readUInt8(at);
    const end = at + HEADER_BYTES + stream.readUIntLE(at + 1, 3);
    if (end > stream.length) throw new Error("cannot read snappy frames: a chunk is cut off");
    const content = contentOf(type, stream.subarray(at + HEADER_BYTES, end), left);
    left -= content.length;
    plain.push(content);
    at = end;
  }
  return Buffer.concat(plain);
}

function contentOf(type: number, body: Buffer, bytesMax: number): Uint8Array {
  if (type >= SKIPPABLE_MIN) return new Uint8Array();
  if (type > UNCOMPRESSED) throw new Error(`cannot read snappy frames: unknown chunk type ${type}`);
  if (body.length < CHECKSUM_BYTES) throw new Error("cannot read snappy frames: a chunk is cut off");
  const content = body.subarray(CHECKSUM_BYTES);
  const plain =
    type === COMPRESSED ? uncompress(content, Math.min(bytesMax, CHUNK_BYTES_MAX)) : new Uint8Array(content);
  if (plain.length > bytesMax) throw new Error(`cannot read snappy frames: they hold over ${bytesMax} bytes`);
  if (masked(crc32c(plain)) !== body.readUInt32LE(0))
    throw new Error("cannot read snappy frames: a checksum is wrong");
  return plain;
}

/** Compresses the bytes to one snappy block. The name of this format in `content-encoding` is `snappy`. */
export function toSnappyBlock(bytes: Uint8Array): Uint8Array {
  // A plain Uint8Array is passed: for a Buffer, snappyjs returns one that keeps the memory of the largest possible
  // result.
  return compress(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

function masked(checksum: number): number {
  return (((checksum >>> 15) | (checksum << 17)) + CHECKSUM_MASK) >>> 0;
}
