// SPDX-License-Identifier: Apache-2.0
import { type Arrival, type Arrived, summarize } from "./arrivals.ts";
import { GRPC_HEAD_BYTES, startSinks } from "./sinks.ts";

/** "begin" forgets all requests so far; "end" is answered with the `Arrived` since then. */
export type ArrivalsOrder = "begin" | "end";

let arrivals: Arrival[] = [];

/** The time of the system's clock, as in the samples, with fractions of a millisecond. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

process.on("message", (order: ArrivalsOrder) => {
  const taken = arrivals;
  arrivals = [];
  if (order === "begin") return;
  const arrived: Arrived = summarize(taken);
  process.send?.(arrived);
});
await startSinks({
  onHttp({ path, headers, body }) {
    const protocol = path === "/v1/metrics" ? "otlp" : "remote_write";
    const isCompressed = headers["content-encoding"] !== undefined;
    arrivals.push({ protocol, isCompressed, body, atMs: now() });
  },
  onGrpc(message) {
    const body = message.subarray(GRPC_HEAD_BYTES);
    arrivals.push({ protocol: "otlp", isCompressed: message[0] === 1, body, atMs: now() });
  },
});
