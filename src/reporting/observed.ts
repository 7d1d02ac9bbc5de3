// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Observable, ObservableResult } from "@opentelemetry/api";

/**
 * Reports what `read` gives for the instrument, each number with its attributes, until the returned function is called.
 * Then the same series are `after` once more: the SDK would show their last numbers for ever. NaN suits a number of which
 * 0 would say something wrong, such as a time.
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
      // Not at once: the SDK is going through its list of callbacks, and would pass over the next one.
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
