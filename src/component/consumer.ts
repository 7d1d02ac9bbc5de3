// SPDX-License-Identifier: Apache-2.0
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * Why a reading would not be welcome now. The values label a metric, so they are few:
 * - "memory": a memory_limiter is above its limit;
 * - "queue_full": an exporter with `block_on_overflow` has no room in its queue;
 * - "result_pending": an exporter with `wait_for_result` does not know yet what became of the resource's last reading;
 * - "exchange": a reload is just exchanging a component of the pipeline.
 */
export type NoRoom = "memory" | "queue_full" | "result_pending" | "exchange";

/**
 * Takes what flows through a pipeline. Flow control is one question before a reading is made, and nothing is refused
 * after it: the source asks `noRoom`, and does not scrape where it gets a reason. Every call returns at once; a consumer
 * that must wait keeps the reading, which nobody will change.
 *
 * For one resource, `end` comes after all its readings, and no reading follows it unless the resource comes back.
 */
export interface Consumer {
  /**
   * Why a reading of the resource would not be welcome now; undefined where it would. It is no promise: readings that
   * are under way already may still come, at most as many as the source scrapes at a time. Has no effect.
   */
  noRoom(resourceKey: string): NoRoom | undefined;
  /** Takes the reading in any case. A consumer that cannot keep it counts it as lost, under a reason. */
  consume(reading: Reading): void;
  /** Takes the end of a resource in any case. */
  end(ended: Ended): void;
}
