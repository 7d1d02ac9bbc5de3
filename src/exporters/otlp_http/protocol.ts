// SPDX-License-Identifier: Apache-2.0

import { type PushAnswer, toLogText } from "../../http_client/answer.ts";
import type { PushProtocol } from "../../http_client/client.ts";
import { type Acceptance, type OtlpEncoding, readAcceptance, readStatusMessage } from "../../otlp/answer.ts";
import { OTLP_CONTENT_TYPE } from "./body.ts";

/** The answer of a receiver that accepts all points. */
const ALL: Acceptance = { rejectedPoints: 0, message: "" };
/** The registered content type of protobuf, which some receivers send instead of OTLP's. */
const REGISTERED_PROTO = "application/protobuf";

/** Reads answers of OTLP/HTTP. Receivers should answer in the encoding of the request, but some use the other one. */
export function otlpHttpProtocol(headers: Readonly<Record<string, string>>): PushProtocol {
  return {
    headers,
    isOwn: (answer) => readAccepted(answer) !== undefined,
    whyNotOwn: ({ isComplete }) => (isComplete ? undefined : "the answer is cut off, or too long"),
    accepted: (answer) => readAccepted(answer) ?? ALL,
    reasonOf(answer) {
      const encoding = encodingOf(answer);
      const message = encoding === undefined ? undefined : readStatusMessage(answer.body, encoding);
      if (message !== undefined) return toLogText(message);
      // The answer may be a gateway's text, which is used, or a gateway's web page, which says no more than the status.
      const text = toLogText(answer.body.toString());
      const isUntypedText = answer.contentType === "" && !text.startsWith("<");
      return isUntypedText || answer.contentType === "text/plain" || encoding === "json" ? text : "";
    },
  };
}

/** Reads an answer with status 2xx. Returns undefined if the answer is not from an OTLP receiver. */
function readAccepted(answer: PushAnswer): Acceptance | undefined {
  const { body, contentType, isComplete } = answer;
  if (!isComplete) return undefined;
  // Many receivers send an empty body, with any content type. But an empty web page comes from a gateway.
  if (body.length === 0) return contentType === "text/html" ? undefined : ALL;
  const encoding = encodingOf(answer);
  return encoding === undefined ? undefined : readAcceptance(body, encoding);
}

function encodingOf({ contentType }: PushAnswer): OtlpEncoding | undefined {
  if (contentType === OTLP_CONTENT_TYPE.json) return "json";
  return contentType === OTLP_CONTENT_TYPE.proto || contentType === REGISTERED_PROTO ? "proto" : undefined;
}
