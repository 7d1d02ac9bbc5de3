// SPDX-License-Identifier: Apache-2.0
import { type PushAnswer, toLogText } from "../../http_client/answer.ts";
import type { PushProtocol } from "../../http_client/client.ts";

/** The value of `protobuf_message` for remote write 1.0, which Prometheus' own config uses too. */
export const MESSAGE_V1 = "prometheus.WriteRequest";
/** The value of `protobuf_message` for remote write 2.0. */
export const MESSAGE_V2 = "io.prometheus.write.v2.Request";

const UNSUPPORTED_MEDIA_TYPE = 415;
const SAMPLES_WRITTEN = "x-prometheus-remote-write-samples-written";
const WEB_PAGE = "text/html";

/** Remote write 1.0. The protocol defines no body of an answer. */
export const remoteWriteV1: PushProtocol = {
  headers: {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
  },
  isOwn: ({ contentType }) => contentType !== WEB_PAGE,
  accepted: () => ({ rejectedPoints: 0, message: "" }),
  reasonOf: (answer) => reasonOf(answer, MESSAGE_V2),
};

/** Remote write 2.0. Its answers say how many samples the server has written. */
export const remoteWriteV2: PushProtocol = {
  headers: {
    "content-encoding": "snappy",
    "content-type": `application/x-protobuf;proto=${MESSAGE_V2}`,
    "x-prometheus-remote-write-version": "2.0.0",
  },
  // A server of 1.0 that ignores the content type finds nothing to write in a request of 2.0, and answers 2xx
  // nevertheless. So an answer must have the header with the number of samples.
  isOwn: (answer) => answer.contentType !== WEB_PAGE && samplesWritten(answer) !== undefined,
  whyNotOwn: ({ contentType }) =>
    contentType === WEB_PAGE
      ? undefined
      : `the answer does not say how many samples were written; ${wayOut(MESSAGE_V1)}`,
  accepted(answer, samples = 0) {
    const rejectedPoints = Math.max(0, samples - (samplesWritten(answer) ?? 0));
    return { rejectedPoints, message: rejectedPoints === 0 ? "" : toLogText(answer.body.toString()) };
  },
  reasonOf: (answer) => reasonOf(answer, MESSAGE_V1),
};

function samplesWritten({ headers }: PushAnswer): number | undefined {
  const text = headers[SAMPLES_WRITTEN];
  return typeof text === "string" && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

/**
 * Returns the reason of a failure from the answer's body. An HTML page comes from a gateway, and says no more than the
 * status.
 */
function reasonOf({ status, contentType, body }: PushAnswer, otherMessage: string): string {
  const reason = contentType === WEB_PAGE ? "" : toLogText(body.toString());
  if (status !== UNSUPPORTED_MEDIA_TYPE) return reason;
  return reason === "" ? wayOut(otherMessage) : `${reason}; ${wayOut(otherMessage)}`;
}

function wayOut(message: string): string {
  return `it may take another version of remote write only: set protobuf_message to ${message}`;
}
