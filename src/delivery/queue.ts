/** An encoded request. Two of them, one behind the other, are a request too: that is how batches are made. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** Data points in it. */
  readonly points: number;
  /** Whose it is. */
  readonly source?: string;
}

/** What sizes are counted in: requests as they were offered, data points, bytes. */
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

export function sizeOf({ bytes, points }: Outgoing): QueueSize {
  return { requests: 1, items: points, bytes: bytes.length };
}

/** One or more requests that were taken together; they are sent as one, and settled as one. */
export interface Taken {
  readonly bytes: Uint8Array;
  readonly size: QueueSize;
  /** When the latest of them was added, in Unix milliseconds. */
  readonly latestMs: number;
  /** Whose they are, each as often as it has one; nobody's where the queue outlives who waits. */
  readonly sources: readonly string[];
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

/** Requests in the order in which they came. Everything that was taken stays the queue's until it is settled. */
export interface RequestQueue {
  /** What has been added and not settled yet. */
  readonly size: QueueSize;
  /** Of it, what has not been taken. */
  readonly waiting: QueueSize;
  /** When the oldest that waits was added, in Unix milliseconds; undefined where none waits. */
  readonly oldestMs: number | undefined;
  /** Why the request cannot be kept; undefined where it is. */
  add(request: Outgoing, nowMs: number): string | undefined;
  /** The oldest that wait, joined; undefined where none waits. */
  take(limit: TakeLimit): Taken | undefined;
  /** Forgets what was taken: it has been delivered, or given up. */
  settle(taken: Taken): void;
  /** Ends; what is kept elsewhere stays there. */
  close(): Promise<void>;
}
