// SPDX-License-Identifier: Apache-2.0
import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from "node:http";

/** What a server said. */
export interface PushAnswer {
  readonly status: number;
  /** Without its parameters, in lower case; empty where the server does not tell. */
  readonly contentType: string;
  readonly body: Buffer;
  /** Whether that is all of the body: it may have been too long, or cut off. */
  readonly isComplete: boolean;
  /** By name in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** `Retry-After` and `Location`, empty where they are not there. */
  readonly retryAfter: string;
  readonly location: string;
}

/** What is read of an answer: no honest one is longer, and a hostile one costs no memory. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Never rejects: a status is an answer, whatever becomes of the body behind it. */
export async function readAnswer(response: IncomingMessage): Promise<PushAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isComplete = true;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      isComplete = bytes <= ANSWER_BYTES_MAX;
      // This ends the connection as well.
      if (!isComplete) break;
      chunks.push(chunk);
    }
  } catch {
    isComplete = false;
  }
  const { statusCode = 0, headers } = response;
  return {
    status: statusCode,
    contentType: headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? "",
    body: Buffer.concat(chunks),
    isComplete,
    headers,
    retryAfter: headers["retry-after"] ?? "",
    location: headers.location ?? "",
  };
}

/** Servers' texts go to the log; a line should stay one. */
const TEXT_CHARS_MAX = 1_000;

/** A server's text as a part of a log line. */
export function toLogText(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, TEXT_CHARS_MAX);
}

/** `503 Service Unavailable`, with the reason behind a colon. */
export function describeStatus(status: number, reason: string): string {
  const words = STATUS_CODES[status];
  const name = words === undefined ? String(status) : `${status} ${words}`;
  return reason === "" ? name : `${name}: ${reason}`;
}
