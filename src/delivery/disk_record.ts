// SPDX-License-Identifier: Apache-2.0
import { crc32 } from "node:zlib";

/** What stands before a request on disk. All numbers are little-endian. */
export interface RecordHeader {
  /** Counts the records of a queue, from 1. */
  readonly sequence: number;
  readonly length: number;
  readonly points: number;
  /** When it was added, in Unix milliseconds. */
  readonly addedMs: number;
  readonly checksum: number;
}

/** `KCQ1`: by it a reader finds the next record after bytes that are no record. */
const MAGIC = 0x3151434b;
export const HEADER_BYTES = 40;

/** magic u32 · checksum of the rest of the header u32 · length u32 · checksum of the payload u32 · points f64 · added f64 · sequence f64 */
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

/** The header that begins at `offset`; undefined where none does. */
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

/** Whether the payload is what was written. */
export function isIntact(payload: Uint8Array, { length, checksum }: RecordHeader): boolean {
  return payload.length === length && crc32(payload) === checksum;
}

const MAGIC_BYTES = Buffer.from("KCQ1", "latin1");

/** Where behind `from` the next header begins whose checksum is right; undefined where none does. */
export function findHeader(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(MAGIC_BYTES, from); at >= 0; at = bytes.indexOf(MAGIC_BYTES, at + 1))
    if (decodeHeader(bytes, at) !== undefined) return at;
  return undefined;
}

export const ACK_BYTES = 16;
const ACK_MAGIC = 0x3141434b;

/** That the record has been settled: magic u32 · checksum u32 · sequence f64. */
export function encodeAck(sequence: number, into: Buffer, offset: number): void {
  into.writeUInt32LE(ACK_MAGIC, offset);
  into.writeDoubleLE(sequence, offset + 8);
  into.writeUInt32LE(crc32(into.subarray(offset + 8, offset + ACK_BYTES)), offset + 4);
}

/** The sequence numbers in a file of acks. What is torn or spoilt is left out: its record is sent again. */
export function decodeAcks(bytes: Buffer): number[] {
  const sequences: number[] = [];
  for (let at = 0; at + ACK_BYTES <= bytes.length; at += ACK_BYTES) {
    if (bytes.readUInt32LE(at) !== ACK_MAGIC) continue;
    const sum = crc32(bytes.subarray(at + 8, at + ACK_BYTES));
    if (bytes.readUInt32LE(at + 4) === sum) sequences.push(bytes.readDoubleLE(at + 8));
  }
  return sequences;
}
