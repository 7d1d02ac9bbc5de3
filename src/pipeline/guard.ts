// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";
import { forward } from "./forward.ts";

/**
 * Catches what a component throws, so that a bug in one does not end the agent and with it the metrics of every pod on the
 * node. The error is logged as a bug, and the reading is lost. Consumers never throw for an expected reason.
 */
export function guard(consumer: Consumer, logger: Logger): Consumer {
  return forward(consumer, {
    noRoom(resourceKey: string): NoRoom | undefined {
      try {
        return consumer.noRoom(resourceKey);
      } catch (error) {
        logger.error({ resource: resourceKey, error }, "BUG: Component failed to say whether it has room.");
        return undefined;
      }
    },
    consume(reading: Reading): void {
      try {
        consumer.consume(reading);
      } catch (error) {
        logger.error(
          { resource: reading.resource.key, error },
          "BUG: Component failed on a reading; it is lost.",
        );
      }
    },
    end(ended: Ended): void {
      try {
        consumer.end(ended);
      } catch (error) {
        logger.error({ resource: ended.resource.key, error }, "BUG: Component failed to end a resource.");
      }
    },
  });
}
