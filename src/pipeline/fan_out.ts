import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * One consumer out of several. Readings are immutable, so all get the same one. "refused" when any refused: the
 * others have it all the same, as in the Collector, where a caller that repeats it makes duplicates for them.
 */
export function fanOut(consumers: readonly Consumer[]): Consumer {
  const [only] = consumers;
  if (only !== undefined && consumers.length === 1) return only;
  return {
    consume(reading: Reading): Verdict {
      let verdict: Verdict = "accepted";
      for (const consumer of consumers) if (consumer.consume(reading) === "refused") verdict = "refused";
      return verdict;
    },
    end(ended: Ended): void {
      for (const consumer of consumers) consumer.end(ended);
    },
  };
}
