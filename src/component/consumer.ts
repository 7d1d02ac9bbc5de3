// SPDX-License-Identifier: Apache-2.0
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * Why a consumer has no room for a reading now. Each value is a label of a metric, so there are few:
 *
 * - "memory": a `memory_limiter` is above its limit;
 * - "queue_full": the queue of an exporter with `block_on_overflow` is full;
 * - "result_pending": an exporter with `wait_for_result` does not know yet whether the resource's last reading was delivered;
 * - "exchange": a reload is exchanging a component of the pipeline.
 */
export type NoRoom = "memory" | "queue_full" | "result_pending" | "exchange";

/**
 * Takes the readings and ends of a pipeline. Processors and exporters are consumers.
 *
 * Flow control is one question before a reading is made. Nothing is refused after it. For each resource, the source
 *
 * 1. asks `noRoom`, and does not scrape if it gets a reason;
 * 2. scrapes, and hands the reading to `consume`;
 * 3. calls `end` when the resource is gone. No reading of it follows, unless the resource comes back.
 *
 * A consumer
 *
 * - returns at once from every call and never throws;
 * - takes everything: a reading that it cannot keep counts as lost, under a reason;
 * - may hold a reading for as long as it needs: nobody changes it;
 * - must not change a reading, because other consumers hold the same object.
 *
 * In addition, a processor asks the next consumer in its own `noRoom`, and hands on each end after all readings of the
 * resource.
 */
export interface Consumer {
  /**
   * Returns why there is no room for a reading of the resource now, or undefined if there is room. The call
   * changes nothing for the resource. A component may note for its status that it had no room.
   *
   * "Room" is no promise to the consumer: readings of scrapes that have begun still come, at most as many as the source
   * scrapes at a time.
   */
  noRoom(resourceKey: string): NoRoom | undefined;
  /** Takes the reading, also when there is no room. */
  consume(reading: Reading): void;
  /** Takes the end of a resource, also when there is no room. */
  end(ended: Ended): void;
}
