import { type IncomingHttpHeaders, STATUS_CODES } from "node:http";

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

/** How long the server wants to be left alone, in milliseconds: `Retry-After` in seconds or as a date; 0 for no sense. */
export function retryAfterMs(header: string, nowMs: number): number {
  if (/^\s*[0-9]+\s*$/.test(header)) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}
