// SPDX-License-Identifier: Apache-2.0
import { crc32 } from "node:zlib";

/** The header before the bytes of each request on disk, its payload. All numbers are little-endian. */
export interface RecordHeader {
  /** The number of the record in its queue. The first is 1. */
  readonly sequence: number;
  /** The length of the payload in bytes. */
  readonly length: number;
  readonly points: number;
  /** When the request was added to the queue, in Unix milliseconds. */
  readonly addedMs: number;
  /** The CRC-32 of the payload. */
  readonly checksum: number;
}

/** The text `KCQ1`, with which each header begins: so a reader finds the next record after damaged bytes. */
const MAGIC = 0x3151434b;
/** The size of each header. */
export const HEADER_BYTES = 40;

/**
 * Encodes a header: magic u32 · checksum of the bytes behind it in the header u32 · length u32 · checksum of the
 * payload u32 · points f64 · time of adding f64 · sequence f64.
 */
export function encodeHeader(payload: Uint8Array, header: Omit<RecordHeader, "length" | "checksum">): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(payload.length, 8);
  bytes.writeUInt32LE(crc32(payload), 12);
  bytes.writeDoubleLE(header.points, 16);
  bytes.writeDoubleLE(header.addedMs, 24);
  bytes.writeDoubleLE(header.sequence, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Decodes the header that begins at `offset`; undefined if none begins there. */
export function decodeHeader(bytes: Buffer, offset: number): RecordHeader | undefined {
  if (offset + HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(offset + 4) !== crc32(bytes.subarray(offset + 8, offset + HEADER_BYTES)))
    return undefined;
  return {
    length: bytes.readUInt32LE(offset + 8),
    checksum: bytes.readUInt32LE(offset + 12),
    points: bytes.readDoubleLE(offset + 16),
    addedMs: bytes.readDoubleLE(offset + 24),
    sequence: bytes.readDoubleLE(offset + 32),
  };
}

/** Whether the payload is complete and unchanged. */
export function isIntact(payload: Uint8Array, { length, checksum }: RecordHeader): boolean {
  return payload.length === length && crc32(payload) === checksum;
}

const MAGIC_BYTES = Buffer.from("KCQ1", "latin1");

/** Returns the offset of the first intact header at `from` or behind it; undefined if there is none. */
export function findHeader(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(MAGIC_BYTES, from); at >= 0; at = bytes.indexOf(MAGIC_BYTES, at + 1))
    if (decodeHeader(bytes, at) !== undefined) return at;
  return undefined;
}

/** The size of one encoded acknowledgement. */
export const ACK_BYTES = 16;
/** The text `KCA1`, with which each acknowledgement begins. */
const ACK_MAGIC = 0x3141434b;

/** Encodes that the record of this sequence number is acknowledged: magic u32 · checksum u32 · sequence f64. */
export function encodeAck(sequence: number, into: Buffer, offset: number): void {
  into.writeUInt32LE(ACK_MAGIC, offset);
  into.writeDoubleLE(sequence, offset + 8);
  into.writeUInt32LE(crc32(into.subarray(offset + 8, offset + ACK_BYTES)), offset + 4);
}

/**
 * Decodes the sequence numbers in a file of acknowledgements. Skips damaged ones, so that their records are sent again.
 */
export function decodeAcks(bytes: Buffer): number[] {
  const sequences: number[] = [];
  for (let at = 0; at + ACK_BYTES <= bytes.length; at += ACK_BYTES) {
    if (bytes.readUInt32LE(at) !== ACK_MAGIC) continue;
    const sum = crc32(bytes.subarray(at + 8, at + ACK_BYTES));
    if (bytes.readUInt32LE(at + 4) === sum) sequences.push(bytes.readDoubleLE(at + 8));
  }
  return sequences;
}
