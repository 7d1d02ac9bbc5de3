// SPDX-License-Identifier: Apache-2.0
import { asLiteral } from "./snappy.ts";

/** 1 for `prometheus.WriteRequest` of remote write 1.0, 2 for `io.prometheus.write.v2.Request`. */
export type MessageVersion = 1 | 2;

export interface RequestHeader {
  readonly version: MessageVersion;
  /** 0 where it is not known. */
  readonly samples: number;
  /** Of the message before it was compressed. */
  readonly rawBytes: number;
}

/** A request out of the queue. */
export interface QueuedRequest extends RequestHeader {
  /** Snappy's elements, without the length in front. */
  readonly elements: Uint8Array;
}

/**
 * How a request is kept in the queue. All numbers are little-endian: the byte 0, which begins no protobuf message, the
 * version u8, the bytes of the message u32, its samples u32; then the elements.
 */
export const RECORD_HEADER_BYTES = 10;
const MARK = 0;
/** A TimeSeries: how requests begin that earlier builds kept, which are not compressed. */
const OLD_MARK = 0x0a;

export function encodeRequestHeader(record: Uint8Array, { version, samples, rawBytes }: RequestHeader): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  view.setUint8(0, MARK);
  view.setUint8(1, version);
  view.setUint32(2, rawBytes, true);
  view.setUint32(6, samples, true);
}

/** The request that a record has; undefined where this version does not know its format. */
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
