// SPDX-License-Identifier: Apache-2.0
/** Reads so many bytes at a place in a file; fewer only where it ends. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** How records stand in a file, and how one that was not written to its end is known. */
export interface Framing {
  /** The payload as one record. Throws a RangeError where it is too large for one. */
  record(payload: Uint8Array): Buffer;
  /**
   * Where the last whole record of a file ends. What follows is the beginning of one, or the zeros that a loss of power
   * leaves; throws, with words for the user, where it is anything else: a file of somebody else must not be cut.
   */
  wholeEnd(read: ReadAt, size: number): Promise<number>;
}

const NEWLINE = 10;
const SCAN_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;
/** Far more than a request has, and less than any four characters of a text make as a number, be they newlines. */
const PAYLOAD_BYTES_MAX = 128 * 1024 ** 2;

/** A line for each record. `start` is how each begins. */
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

/** Where the last line ends; 0 where none does. */
async function lastLineEnd(read: ReadAt, size: number): Promise<number> {
  for (let to = size; to > 0; to -= SCAN_BYTES) {
    const from = Math.max(0, to - SCAN_BYTES);
    const found = (await read(from, to - from)).lastIndexOf(NEWLINE);
    if (found >= 0) return from + found + 1;
  }
  return 0;
}

/** Before each record its length, as a 32-bit number, the most significant byte first. `start` is how each begins. */
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

/** Small records stand close together: many of them come with one read. */
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
