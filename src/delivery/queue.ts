// SPDX-License-Identifier: Apache-2.0
/** An encoded request about one resource. The bytes of several requests, one behind the other, are a request too. */
export interface EncodedRequest {
  readonly bytes: Uint8Array;
  /** The number of data points that come from readings, without `endPoints`. */
  readonly points: number;
  /** The number of points that only say that a series has ended. Metrics count them neither as sent nor as failed. */
  readonly endPoints?: number;
  /** The key of the resource. */
  readonly source?: string;
  /** Whether the request says that the resource has ended. It is made only once: nothing replaces it if it is lost. */
  readonly isEnd?: boolean;
}

/** The units in which sizes are counted: encoded requests, data points, bytes. */
export type Sizer = "requests" | "items" | "bytes";

/** A size in every unit. */
export type QueueSize = Readonly<Record<Sizer, number>>;

/** The size of no request. */
export const ZERO_SIZE: QueueSize = { requests: 0, items: 0, bytes: 0 };

export function plus(one: QueueSize, other: QueueSize): QueueSize {
  return {
    requests: one.requests + other.requests,
    items: one.items + other.items,
    bytes: one.bytes + other.bytes,
  };
}

export function minus(one: QueueSize, other: QueueSize): QueueSize {
  return {
    requests: one.requests - other.requests,
    items: one.items - other.items,
    bytes: one.bytes - other.bytes,
  };
}

export function sizeOf({ bytes, points }: Pick<EncodedRequest, "bytes" | "points">): QueueSize {
  return { requests: 1, items: points, bytes: bytes.length };
}

/** The size of all requests together. */
export function sizeOfAll(requests: readonly Pick<EncodedRequest, "bytes" | "points">[]): QueueSize {
  let size = ZERO_SIZE;
  for (const request of requests) size = plus(size, sizeOf(request));
  return size;
}

/** A request in a queue. A batch is a list of such requests, so that it can be cut again between two of them. */
export interface PendingRequest {
  readonly bytes: Uint8Array;
  readonly points: number;
  /** The request's place in the queue: higher than the numbers of all requests that were added before it. */
  readonly sequence: number;
  /** When the request was added to the queue, in Unix milliseconds. */
  readonly addedMs: number;
  /** The key of the resource; undefined in a queue on disk, which may outlive the sandbox and does not store keys. */
  readonly source: string | undefined;
}

/** The most that one `take` returns, in any of the units. At least one request is taken, however large it is. */
export type TakeLimit = Partial<QueueSize>;

/** Whether the size is within the limit in every unit. */
export function isWithin(size: QueueSize, { requests, items, bytes }: TakeLimit): boolean {
  return (
    (requests === undefined || size.requests <= requests) &&
    (items === undefined || size.items <= items) &&
    (bytes === undefined || size.bytes <= bytes)
  );
}

/**
 * The requests of one exporter, in the order in which they were added. A request passes through these phases:
 *
 * 1. `add` appends it. From then on it counts in `size` and in `waiting`.
 * 2. `take` returns the requests that have waited longest. They no longer count in `waiting`, but still in `size`. A
 *    queue on disk keeps them until they are acknowledged, so that a crash of the agent loses none.
 * 3. One of two calls ends the sending of a request:
 *    - `acknowledge`, when the request has been delivered or dropped. The queue forgets it.
 *    - `requeue`, when it must be sent again. It waits at its old place, before all requests that were added later.
 * 4. `close` ends the queue. Requests that are not acknowledged are lost if the queue is in memory. If it is on disk,
 *    they wait again after the next start.
 *
 * The caller
 * - never writes to the bytes of a request that it has added or taken;
 * - passes each request that it has taken to `acknowledge` or `requeue`, once;
 * - adds and takes nothing after `close`.
 *
 * The queue
 * - returns from each method without waiting, and keeps no request in memory that it does not count in `size`;
 * - has no limit of requests or bytes in memory: the intake keeps it within `queue_size`.
 */
export interface RequestQueue {
  /** The size of all requests that are not acknowledged. */
  readonly size: QueueSize;
  /** The size of the requests that `take` can return: all of `size` except those that are being sent. */
  readonly waiting: QueueSize;
  /** When the oldest waiting request was added, in Unix milliseconds; undefined if no request waits. */
  readonly oldestMs: number | undefined;
  /** Whether there is space for another request. In memory there always is; a disk or its quota can be full. */
  readonly hasSpace: boolean;
  /** Appends the request. Returns undefined if it was stored; otherwise the reason, in words for the user. */
  add(request: EncodedRequest, nowMs: number): string | undefined;
  /** Takes the oldest waiting requests, as many as the limit allows; none if no request waits. */
  take(limit: TakeLimit): readonly PendingRequest[];
  /** Makes requests that were taken wait again, each at its old place. */
  requeue(requests: readonly PendingRequest[]): void;
  /** Forgets requests that were taken. */
  acknowledge(requests: readonly PendingRequest[]): void;
  close(): Promise<void>;
}
