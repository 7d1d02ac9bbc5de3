// SPDX-License-Identifier: Apache-2.0

import { type PushAnswer, toLogText } from "../../http_client/answer.ts";
import type { PushProtocol } from "../../http_client/client.ts";
import { type Acceptance, type OtlpEncoding, readAcceptance, readStatusMessage } from "../../otlp/answer.ts";
import { OTLP_CONTENT_TYPE } from "./body.ts";

const ALL: Acceptance = { rejectedPoints: 0, message: "" };
/** The registered type of protobuf, which some send in place of OTLP's. */
const REGISTERED_PROTO = "application/protobuf";

/** OTLP/HTTP's answers. A receiver should answer as it was asked, in protobuf or JSON; some do not. */
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
      // Gateways in between answer in words, and those in HTML say no more than the status.
      const text = toLogText(answer.body.toString());
      const isUntypedText = answer.contentType === "" && !text.startsWith("<");
      return isUntypedText || answer.contentType === "text/plain" || encoding === "json" ? text : "";
    },
  };
}

/** What an answer of 2xx says; undefined where something else than an OTLP receiver has given it. */
function readAccepted(answer: PushAnswer): Acceptance | undefined {
  const { body, contentType, isComplete } = answer;
  if (!isComplete) return undefined;
  // Many receivers send no body, under any type. A web page without a word is one of a gateway.
  if (body.length === 0) return contentType === "text/html" ? undefined : ALL;
  const encoding = encodingOf(answer);
  return encoding === undefined ? undefined : readAcceptance(body, encoding);
}

function encodingOf({ contentType }: PushAnswer): OtlpEncoding | undefined {
  if (contentType === OTLP_CONTENT_TYPE.json) return "json";
  return contentType === OTLP_CONTENT_TYPE.proto || contentType === REGISTERED_PROTO ? "proto" : undefined;
}
