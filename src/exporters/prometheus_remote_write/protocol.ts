import { toLogText } from "../../push_http/answer.ts";
import type { PushProtocol } from "../../push_http/client.ts";

/** Remote write 1.0: a server that is in trouble, or wants to be left alone, is asked again; every other refusal holds. */
export const remoteWriteProtocol: PushProtocol = {
  headers: {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
  },
  isRetryable: (status) => status === 429 || status >= 500,
  accepted: () => ({ rejectedPoints: 0, message: "" }),
  // Gateways in between answer in HTML, which says no more than the status.
  reasonOf: ({ contentType, body }) => (contentType === "text/html" ? "" : toLogText(body.toString())),
};
