// SPDX-License-Identifier: Apache-2.0
import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from "node:http";

/** A server's answer. */
export interface PushAnswer {
  readonly status: number;
  /** The content type in lower case, without parameters; empty if the answer has none. */
  readonly contentType: string;
  readonly body: Buffer;
  /** Whether `body` is the whole body; false if the body was too long or cut off. */
  readonly isComplete: boolean;
  /** All headers by their names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The header `Retry-After`; empty if there is none. */
  readonly retryAfter: string;
  /** The header `Location`; empty if there is none. */
  readonly location: string;
}

/**
 * The most bytes of a body that are read; the rest is dropped. No honest answer is longer, and a hostile one must not
 * use up memory.
 */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Reads a response. Never rejects: a status is an answer even if its body cannot be read. */
export async function readAnswer(response: IncomingMessage): Promise<PushAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isComplete = true;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      isComplete = bytes <= ANSWER_BYTES_MAX;
      // Leaving the loop destroys the response and its connection, so the rest is never read.
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

/** The most characters that a log line quotes of a server's text. A longer text is cut. */
const TEXT_CHARS_MAX = 1_000;

/** Turns a server's text into a part of a log line: one line of at most `TEXT_CHARS_MAX` characters. */
export function toLogText(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, TEXT_CHARS_MAX);
}

/** Returns the status with its name, such as `503 Service Unavailable`, and the reason after a colon. */
export function describeStatus(status: number, reason: string): string {
  const words = STATUS_CODES[status];
  const name = words === undefined ? String(status) : `${status} ${words}`;
  return reason === "" ? name : `${name}: ${reason}`;
}
