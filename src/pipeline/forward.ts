// SPDX-License-Identifier: Apache-2.0
import type { Consumer } from "../component/consumer.ts";

/** Returns a consumer that passes every call on to `target`, except for the methods of `overrides`. */
export function forward(target: Consumer, overrides: Partial<Consumer>): Consumer {
  return {
    noRoom: (resourceKey) => target.noRoom(resourceKey),
    consume: (reading) => target.consume(reading),
    end: (ended) => target.end(ended),
    ...overrides,
  };
}
