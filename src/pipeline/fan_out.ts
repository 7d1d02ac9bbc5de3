import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * One consumer out of any number. Readings are immutable, so all get the same one. "refused" only when all refused: a full
 * queue to one destination must not hold up what another one gets, unless it says that it blocks. Whoever refuses counts
 * what it does not have.
 */
export function fanOut(consumers: readonly Consumer[]): Consumer {
  const isBlocked = (reading: Reading): boolean =>
    consumers.some((consumer) => consumer.isBlocked?.(reading));
  return {
    isBlocked,
    consume(reading: Reading): Verdict {
      if (reading.isFinal !== true && isBlocked(reading)) return "refused";
      const refusing = consumers.filter((consumer) => consumer.consume(reading) === "refused");
      if (refusing.length > 0 && refusing.length === consumers.length) return "refused";
      for (const consumer of refusing) consumer.miss?.(reading);
      return "accepted";
    },
    miss(reading: Reading): void {
      for (const consumer of consumers) consumer.miss?.(reading);
    },
    end(ended: Ended): void {
      for (const consumer of consumers) consumer.end(ended);
    },
  };
}
