// SPDX-License-Identifier: Apache-2.0
/** Reads `length` bytes of a file, from the offset `position`. Returns fewer bytes only at the end of the file. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** Says how records follow each other in a file, and finds a record that was not written to its end. */
export interface Framing {
  /** Makes a record of a payload. Throws a RangeError if the payload is too large. */
  record(payload: Uint8Array): Buffer;
  /**
   * Returns the offset at which the last whole record ends. The bytes behind it are the beginning of a record, or zeros
   * that a loss of power has left. Throws, with a message for the user, if these bytes are anything else: the exporter
   * did not write the file then, and must not cut it.
   */
  wholeEnd(read: ReadAt, size: number): Promise<number>;
}

const NEWLINE = 10;
const SCAN_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;
/**
 * The longest payload, 128 MiB: longer than any request. Any four characters of a text, read as a length, are a larger
 * number, so that a text file is not taken for a file of records.
 */
const PAYLOAD_BYTES_MAX = 128 * 1024 ** 2;

/** Makes the framing in which each record is a line. Each payload begins with `start`. */
export function lines(start: string): Framing {
  const startBytes = Buffer.from(start);
  return {
    record: (payload) => Buffer.concat([payload, Uint8Array.of(NEWLINE)]),
    async wholeEnd(read, size) {
      const end = await lastLineEnd(read, size);
      const tail = await read(end, Math.min(size - end, startBytes.length));
      if (!isStartOf(tail, startBytes) && !(await areZeros(read, end, size))) throw foreign(end);
      return end;
    },
  };
}

/** Returns the offset behind the last newline of the file; 0 if it has none. */
async function lastLineEnd(read: ReadAt, size: number): Promise<number> {
  for (let to = size; to > 0; to -= SCAN_BYTES) {
    const from = Math.max(0, to - SCAN_BYTES);
    const found = (await read(from, to - from)).lastIndexOf(NEWLINE);
    if (found >= 0) return from + found + 1;
  }
  return 0;
}

/** Makes the framing with a 32-bit length (big-endian) before each payload. Each payload begins with `start`. */
export function lengthPrefixed(start: Uint8Array): Framing {
  return {
    record(payload) {
      const { length } = payload;
      if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`a record of ${length} bytes is too large`);
      const prefix = Buffer.alloc(LENGTH_BYTES);
      prefix.writeUInt32BE(length);
      return Buffer.concat([prefix, payload]);
    },
    async wholeEnd(read, size) {
      const scan = buffered(read);
      let at = 0;
      while (size - at >= LENGTH_BYTES) {
        const head = await scan(at, LENGTH_BYTES + start.length);
        const length = head.readUInt32BE(0);
        const isRecord =
          length > 0 && length <= PAYLOAD_BYTES_MAX && isStartOf(head.subarray(LENGTH_BYTES), start);
        if (!isRecord) {
          if (await areZeros(read, at, size)) break;
          throw foreign(at);
        }
        const next = at + LENGTH_BYTES + length;
        if (next > size) break;
        at = next;
      }
      return at;
    },
  };
}

/** Returns a `ReadAt` that reads ahead, so that one read of the file serves many small records. */
function buffered(read: ReadAt): ReadAt {
  let from = 0;
  let bytes: Buffer = Buffer.alloc(0);
  return async (position, length) => {
    const isWithin = position >= from && position + length <= from + bytes.length;
    if (!isWithin) {
      from = position;
      bytes = await read(position, Math.max(length, SCAN_BYTES));
    }
    return bytes.subarray(position - from, position - from + length);
  };
}

function isStartOf(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.every((byte, index) => index >= start.length || byte === start[index]);
}

async function areZeros(read: ReadAt, from: number, to: number): Promise<boolean> {
  for (let at = from; at < to; at += SCAN_BYTES) {
    const bytes = await read(at, Math.min(SCAN_BYTES, to - at));
    if (!bytes.every((byte) => byte === 0)) return false;
  }
  return true;
}

function foreign(at: number): Error {
  return new Error(
    `no record begins at byte ${at}; is it somebody else's, or of another format? Move it away`,
  );
}
