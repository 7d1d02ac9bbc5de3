import { type OtlpEncoding, readAcceptance, readStatusMessage } from "../../otlp/answer.ts";
import { type PushAnswer, toLogText } from "../../push_http/answer.ts";
import type { PushProtocol } from "../../push_http/client.ts";
import { CONTENT_TYPE } from "./body.ts";

/** OTLP/HTTP's answers. A receiver should answer as it was asked, in protobuf or JSON; some do not. */
export function otlpHttpProtocol(headers: Readonly<Record<string, string>>): PushProtocol {
  return {
    headers,
    // Some receivers send no body, and no type of it.
    isOwn: (answer) =>
      encodingOf(answer) !== undefined || (answer.contentType === "" && answer.body.length === 0),
    accepted(answer) {
      const encoding = encodingOf(answer);
      // Without a message, the status says all.
      if (encoding === undefined || answer.body.length === 0) return { rejectedPoints: 0, message: "" };
      return readAcceptance(answer.body, encoding);
    },
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

function encodingOf({ contentType }: PushAnswer): OtlpEncoding | undefined {
  if (contentType === CONTENT_TYPE.proto) return "proto";
  return contentType === CONTENT_TYPE.json ? "json" : undefined;
}
