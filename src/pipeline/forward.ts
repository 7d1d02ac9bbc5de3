// SPDX-License-Identifier: Apache-2.0
import type { Consumer } from "../component/consumer.ts";

/** A consumer that passes everything on to `target`, but for what `overrides` does in its place. */
export function forward(target: Consumer, overrides: Partial<Consumer>): Consumer {
  return {
    noRoom: (resourceKey) => target.noRoom(resourceKey),
    consume: (reading) => target.consume(reading),
    end: (ended) => target.end(ended),
    ...overrides,
  };
}
