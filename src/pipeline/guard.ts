import type { Logger } from "pino";
import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * Keeps a defect of one component from taking down the agent, and with it the metrics of every pod on the node: what
 * it throws is logged as the bug it is, and costs that reading: were it refused, it would come again and again.
 * Consumers never throw for an expected reason.
 */
export function guard(consumer: Consumer, logger: Logger): Consumer {
  return {
    isBlocked: (reading) => consumer.isBlocked?.(reading) ?? false,
    miss: (reading) => consumer.miss?.(reading),
    consume(reading: Reading): Verdict {
      try {
        return consumer.consume(reading);
      } catch (error) {
        logger.error(
          { resource: reading.resource.key, error },
          "BUG: Component failed on a reading; it is lost.",
        );
        return "accepted";
      }
    },
    end(ended: Ended): void {
      try {
        consumer.end(ended);
      } catch (error) {
        logger.error({ resource: ended.resource.key, error }, "BUG: Component failed to end a resource.");
      }
    },
  };
}
