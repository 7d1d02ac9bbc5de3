// SPDX-License-Identifier: Apache-2.0
import { asLiteral } from "./snappy.ts";

/** 1 for `prometheus.WriteRequest` of remote write 1.0, 2 for `io.prometheus.write.v2.Request`. */
export type MessageVersion = 1 | 2;

/** The facts about a request that its record begins with. */
export interface RequestHeader {
  readonly version: MessageVersion;
  /** The number of samples in the request; 0 if it is unknown. */
  readonly samples: number;
  /** The size of the message before it was compressed. */
  readonly rawBytes: number;
}

/** A request that was read from the queue. */
export interface QueuedRequest extends RequestHeader {
  /** Snappy's elements, without the length before them. */
  readonly elements: Uint8Array;
}

/**
 * The size of the header that a request has in the queue. The header is the byte 0, which cannot begin a protobuf
 * message, the version as u8, the size of the message as u32, and its number of samples as u32, all little-endian. The
 * elements follow.
 */
export const RECORD_HEADER_BYTES = 10;
const MARK = 0;
/** The tag of a TimeSeries. The requests of earlier builds begin with it, and are not compressed. */
const OLD_MARK = 0x0a;

/** Writes the header into the first `RECORD_HEADER_BYTES` of the record. */
export function encodeRequestHeader(record: Uint8Array, { version, samples, rawBytes }: RequestHeader): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  view.setUint8(0, MARK);
  view.setUint8(1, version);
  view.setUint32(2, rawBytes, true);
  view.setUint32(6, samples, true);
}

/** Decodes a record. Returns undefined if this build does not know its format. */
export function decodeRecord(record: Uint8Array): QueuedRequest | undefined {
  const [mark, version] = record;
  if (mark === OLD_MARK)
    return { version: 1, elements: asLiteral(record), rawBytes: record.length, samples: 0 };
  if (mark !== MARK || (version !== 1 && version !== 2) || record.length < RECORD_HEADER_BYTES)
    return undefined;
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const rawBytes = view.getUint32(2, true);
  const samples = view.getUint32(6, true);
  return { version, elements: record.subarray(RECORD_HEADER_BYTES), rawBytes, samples };
}
