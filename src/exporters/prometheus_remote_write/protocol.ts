import { toLogText } from "../../push_http/answer.ts";
import type { PushProtocol } from "../../push_http/client.ts";

/** Remote write 1.0, whose answers have no body of their own. */
export const remoteWriteProtocol: PushProtocol = {
  headers: {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
  },
  isOwn: ({ contentType }) => contentType !== "text/html",
  accepted: () => ({ rejectedPoints: 0, message: "" }),
  // Gateways in between answer in HTML, which says no more than the status.
  reasonOf: ({ contentType, body }) => (contentType === "text/html" ? "" : toLogText(body.toString())),
};
