// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Observable, ObservableResult } from "@opentelemetry/api";

/**
 * Reports the numbers that `read` returns as values of the instrument, until the returned function is called. At the
 * next collection after that call, it reports `after` once for each of these series, because the SDK would show their
 * last values forever. Use NaN as `after` for a number of which 0 would be wrong, such as a time.
 */
export function observed(
  instrument: Observable,
  read: () => Iterable<readonly [value: number, attributes: Attributes]>,
  after = 0,
): () => void {
  let shown: Attributes[] = [];
  let hasStopped = false;
  const callback = (result: ObservableResult): void => {
    if (hasStopped) {
      for (const attributes of shown) result.observe(after, attributes);
      // The SDK is walking through its list of callbacks. If this one were removed now, it would skip the next one.
      queueMicrotask(() => instrument.removeCallback(callback));
      return;
    }
    shown = [];
    for (const [value, attributes] of read()) {
      result.observe(value, attributes);
      shown.push(attributes);
    }
  };
  instrument.addCallback(callback);
  return () => {
    hasStopped = true;
  };
}
