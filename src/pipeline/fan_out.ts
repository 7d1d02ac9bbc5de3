// SPDX-License-Identifier: Apache-2.0
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * One consumer out of any number. Readings are immutable, so all get the same one. There is room only where all have
 * room: a source makes one reading for all of them.
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
