// SPDX-License-Identifier: Apache-2.0
/** An encoded request about one resource. Two requests that are put one behind the other are one request: so batches are made. */
export interface EncodedRequest {
  readonly bytes: Uint8Array;
  /** The number of data points of readings in it. */
  readonly points: number;
  /** The number of points that only say that a series has ended. They count neither as sent nor as failed. */
  readonly endPoints?: number;
  /** The key of the resource. */
  readonly source?: string;
  /** Whether it says that the resource has ended. Such a request comes once: the receiver does not repeat it. */
  readonly isEnd?: boolean;
}

/** The units in which sizes are counted: encoded requests, data points, bytes. */
export type Sizer = "requests" | "items" | "bytes";

/** A size in every unit. */
export type QueueSize = Readonly<Record<Sizer, number>>;

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

/** A request in a queue. It stays a request of its own when it is sent in a batch, so that the batch can be cut again. */
export interface PendingRequest {
  readonly bytes: Uint8Array;
  readonly points: number;
  /** Its place in the queue: each request has a higher number than those that were added before it. */
  readonly sequence: number;
  /** When it was added, in Unix milliseconds. */
  readonly addedMs: number;
  /** The key of the resource; undefined in a queue that outlives the agent, and with it the sandboxes. */
  readonly source: string | undefined;
}

/** How much to take at one time, in any of the units. At least one request is taken, however large it is. */
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
 * 2. `take` hands out the requests that have waited longest. They no longer count in `waiting`, but still in `size`. A
 *    queue that outlives the agent keeps them, so that a crash of the agent loses none.
 * 3. One of two calls ends that:
 *    - `acknowledge`, when the request has been delivered or dropped. The queue forgets it.
 *    - `requeue`, when it must be sent again. It waits at its old place, in front of all that were added later.
 * 4. `close` ends the queue. What has not been acknowledged is lost, or waits again after the next start if the queue
 *    outlives the agent.
 *
 * The caller
 * - never writes to the bytes of a request that it has added or taken;
 * - passes each request that it has taken to `acknowledge` or `requeue`, once;
 * - adds and takes nothing after `close`.
 *
 * The queue
 * - answers at once, and holds no request in memory that it does not count in `size`;
 * - has no limit of requests or bytes in memory: the intake keeps it within `queue_size`.
 */
export interface RequestQueue {
  /** The size of all requests that are not acknowledged. */
  readonly size: QueueSize;
  /** The size of those requests among them that can be taken. */
  readonly waiting: QueueSize;
  /** When the oldest waiting request was added, in Unix milliseconds; undefined if no request waits. */
  readonly oldestMs: number | undefined;
  /** Whether the memory or disk that holds the queue has space for another request. */
  readonly hasSpace: boolean;
  /** Appends the request. Returns undefined, or why the request could not be kept, in words for the user. */
  add(request: EncodedRequest, nowMs: number): string | undefined;
  /** Takes the oldest waiting requests, as many as the limit allows; none if no request waits. */
  take(limit: TakeLimit): readonly PendingRequest[];
  /** Makes requests that were taken wait again, each at its old place. */
  requeue(requests: readonly PendingRequest[]): void;
  /** Forgets requests that were taken. */
  acknowledge(requests: readonly PendingRequest[]): void;
  close(): Promise<void>;
}
