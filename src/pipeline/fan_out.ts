// SPDX-License-Identifier: Apache-2.0
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * Makes one consumer of several. All of them get the same reading, which nobody changes. There is room only if all of them
 * have room, because the source makes one reading for all.
 */
export function fanOut(consumers: readonly Consumer[]): Consumer {
  return {
    noRoom(resourceKey: string): NoRoom | undefined {
      for (const consumer of consumers) {
        const reason = consumer.noRoom(resourceKey);
        if (reason !== undefined) return reason;
      }
      return undefined;
    },
    consume(reading: Reading): void {
      for (const consumer of consumers) consumer.consume(reading);
    },
    end(ended: Ended): void {
      for (const consumer of consumers) consumer.end(ended);
    },
  };
}
