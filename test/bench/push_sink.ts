// SPDX-License-Identifier: Apache-2.0
import { startSinks } from "./sinks.ts";

/** The answer to any message: the bytes of all requests since the last one. */
export interface SinkBytes {
  readonly bytes: number;
}

let bytes = 0;
process.on("message", () => {
  const answer: SinkBytes = { bytes };
  bytes = 0;
  process.send?.(answer);
});
await startSinks({
  onHttp: ({ body }) => {
    bytes += body.length;
  },
  onGrpc: (message) => {
    bytes += message.length;
  },
});
