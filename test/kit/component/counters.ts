// SPDX-License-Identifier: Apache-2.0
import { createNoopMeter, type Meter } from "@opentelemetry/api";

/** A meter whose counters the test can read. */
export interface CountingMeter {
  readonly meter: Meter;
  /** Returns the sum of what was added to the counter with all of these attributes, whatever other ones it had. */
  sum(name: string, attributes?: Readonly<Record<string, string>>): number;
}

export function countingMeter(): CountingMeter {
  const added: { name: string; count: number; attributes: Readonly<Record<string, unknown>> }[] = [];
  const meter = createNoopMeter();
  meter.createCounter = (name) => ({
    add: (count, attributes) => void added.push({ name, count, attributes: attributes ?? {} }),
  });
  return {
    meter,
    sum: (name, wanted = {}) =>
      added
        .filter(
          (one) =>
            one.name === name &&
            Object.entries(wanted).every(([key, value]) => one.attributes[key] === value),
        )
        .reduce((sum, { count }) => sum + count, 0),
  };
}
