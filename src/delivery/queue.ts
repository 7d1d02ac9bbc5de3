// SPDX-License-Identifier: Apache-2.0
/** An encoded request about one resource. Two of them, one behind the other, are a request too: so batches are made. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** Data points of readings in it. */
  readonly points: number;
  /** Points in it that only say that a series has ended; they count neither as sent nor as failed. */
  readonly endPoints?: number;
  /** The key of the resource. */
  readonly source?: string;
  /** Whether it says that the resource has ended: nobody would say that again. */
  readonly isEnd?: boolean;
}

/** What sizes are counted in: requests as they were given, data points, bytes. */
export type Sizer = "requests" | "items" | "bytes";

/** How much something is, by every sizer. */
export type QueueSize = Readonly<Record<Sizer, number>>;

export const NOTHING: QueueSize = { requests: 0, items: 0, bytes: 0 };

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

export function sizeOf({ bytes, points }: Pick<Outgoing, "bytes" | "points">): QueueSize {
  return { requests: 1, items: points, bytes: bytes.length };
}

/** The size of all of them together. */
export function sizeOfAll(requests: readonly Pick<Outgoing, "bytes" | "points">[]): QueueSize {
  let size = NOTHING;
  for (const request of requests) size = plus(size, sizeOf(request));
  return size;
}

/** A request in a queue. It stays apart from those that are sent with it, so that a batch can be cut again. */
export interface Queued {
  readonly bytes: Uint8Array;
  readonly points: number;
  /** Counts the requests of a queue, in the order in which they came. */
  readonly sequence: number;
  /** When it was added, in Unix milliseconds. */
  readonly addedMs: number;
  /** Undefined where the queue outlives its sources. */
  readonly source: string | undefined;
}

/** How much to take at once, by any sizers. At least one request is taken, however large it is. */
export type TakeLimit = Partial<QueueSize>;

/** Whether so much is within the limit. */
export function isWithin(size: QueueSize, { requests, items, bytes }: TakeLimit): boolean {
  return (
    (requests === undefined || size.requests <= requests) &&
    (items === undefined || size.items <= items) &&
    (bytes === undefined || size.bytes <= bytes)
  );
}

/** Requests in the order in which they came. What was taken stays the queue's until it is settled or put back. */
export interface RequestQueue {
  /** What has been added and not settled yet. */
  readonly size: QueueSize;
  /** The part of it that has not been taken. */
  readonly waiting: QueueSize;
  /** When the oldest that waits was added, in Unix milliseconds; undefined where none waits. */
  readonly oldestMs: number | undefined;
  /** Whether the place where the queue is kept can take another request. */
  readonly hasSpace: boolean;
  /** Why the request cannot be kept; undefined where it is. */
  add(request: Outgoing, nowMs: number): string | undefined;
  /** The oldest that wait, as many as the limit allows; none where none waits. */
  take(limit: TakeLimit): readonly Queued[];
  /** Lets what was taken wait again, at its old place. */
  putBack(requests: readonly Queued[]): void;
  /** Forgets what was taken: it has been delivered, or given up. */
  settle(requests: readonly Queued[]): void;
  /** Ends; what is kept elsewhere stays there. */
  close(): Promise<void>;
}
