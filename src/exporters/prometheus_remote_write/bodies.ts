// SPDX-License-Identifier: Apache-2.0
import { varintBytes } from "../../wire/writer.ts";
import { decodeRecord, type MessageVersion, type QueuedRequest } from "./record.ts";

/** The body of one HTTP request, which joins queued requests of one version of remote write. */
export interface Body {
  readonly version: MessageVersion;
  readonly bytes: Uint8Array;
  readonly samples: number;
  /** The queue's records of the requests that the body joins. */
  readonly records: readonly Uint8Array[];
}

interface RecordedRequest extends QueuedRequest {
  readonly record: Uint8Array;
}

/**
 * Joins the requests of a batch to as few bodies as possible, in their order. A body has at most `bytesMax` before
 * compression, unless a single request has more. A request of 2.0 is never joined, since it has a table of its own
 * texts. At a record that this build cannot decode, the generator yields undefined and ends.
 */
export function* bodiesOf(records: readonly Uint8Array[], bytesMax: number): Generator<Body | undefined> {
  let joined: RecordedRequest[] = [];
  let rawBytes = 0;
  for (const record of records) {
    const request = decodeRecord(record);
    const isJoinable = request?.version === 1 && joined[0]?.version === 1;
    if (joined.length > 0 && !(isJoinable && rawBytes + request.rawBytes <= bytesMax)) {
      yield join(joined);
      joined = [];
      rawBytes = 0;
    }
    if (request === undefined) {
      yield undefined;
      return;
    }
    joined.push({ ...request, record });
    rawBytes += request.rawBytes;
  }
  if (joined.length > 0) yield join(joined);
}

/**
 * Joins the requests to one compressed message: the sum of their lengths, and then the elements of each. Snappy's
 * elements refer to earlier bytes by distances, so that they are the same in a longer message.
 */
function join(requests: readonly RecordedRequest[]): Body {
  let rawBytes = 0;
  let length = 0;
  let samples = 0;
  for (const request of requests) {
    rawBytes += request.rawBytes;
    length += request.elements.length;
    samples += request.samples;
  }
  const head = varintBytes(rawBytes);
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(head + length).buffer);
  let at = 0;
  for (let rest = rawBytes; at < head; rest = Math.floor(rest / 0x80))
    bytes[at++] = rest >= 0x80 ? (rest % 0x80) | 0x80 : rest;
  for (const { elements } of requests) {
    bytes.set(elements, at);
    at += elements.length;
  }
  const records = requests.map(({ record }) => record);
  return { version: requests[0]?.version ?? 1, bytes, samples, records };
}
