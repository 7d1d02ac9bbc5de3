// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- scrape.

import type { Limit } from "../../../prometheus/parse/limit.ts";
import type { PageBuffer } from "./page_buffer.ts";

const CR = 13;
const LF = 10;
const END_OF_HEAD = "\r\n\r\n";

/** The most hexadecimal digits of a chunk's length; eight are enough for any page. */
const CHUNK_DIGITS_MAX = 8;
/** The most bytes of one line with a chunk's length and extensions, and of all trailers together. */
const LINE_BYTES_MAX = 4_096;
/**
 * The most bytes of a response's chunk lengths, extensions and trailers together, so that nobody can take the agent's
 * time with chunks of one byte. Shims write 2 KiB or more at once.
 */
const FRAMING_BYTES_MAX = 64 * 1024;
/** The longest body that is received. No Kata guest can make a longer one, so a sender that exceeds it may never end. */
const RECEIVED_BYTES_MAX = 16 * 1024 ** 2;

/** The reason why a response has no page. */
export type ResponseFault = "malformed" | "status" | "truncated" | "too_big";

/** The state of a response after some of its bytes. */
export type Progress =
  /** More bytes must come. */
  | { readonly state: "incomplete" }
  /**
   * The buffer holds the body. `whole` is false if the body was cut at `limit`, or if it may be cut because only the
   * end of the connection shows where it ends.
   */
  | { readonly state: "complete"; readonly whole: boolean; readonly limit: BodyLimit | undefined }
  | {
      readonly state: "fault";
      readonly fault: ResponseFault;
      readonly text: string;
      /** The limit that the response exceeds; undefined if the fault is another one. */
      readonly limit?: Limit;
    };

/** The limit at which a body is cut, by its option's name. */
export type BodyLimit = "body_bytes";

export interface ResponseLimits {
  readonly headerBytesMax: number;
  /**
   * The rest of a longer body is received and dropped, since a shim whose connection is closed early may leave the
   * guest out of its next pages.
   */
  readonly bodyBytesMax: number;
}

/** The part of the response that comes next. "close" is a body that ends with the connection. */
type Expected = "head" | "length" | "close" | "chunk_size" | "chunk" | "chunk_end" | "trailers";

const INCOMPLETE: Progress = { state: "incomplete" };

/**
 * Reads one HTTP/1.1 response as it comes, and puts its body into the page buffer. It is strict where a lenient reader could
 * take a cut page for a whole one. Each byte is looked at once, in whatever pieces the bytes come.
 */
export class ResponseReader {
  readonly #page: PageBuffer;
  readonly #limits: ResponseLimits;
  #expected: Expected = "head";
  #head = "";
  /** Bytes that a body or chunk of known length still lacks. */
  #bytesLeft = 0;
  /** The text so far of the chunk length or the trailers that are being read. */
  #line = "";
  /** Bytes of the body that have come, kept and dropped ones. */
  #receivedBytes = 0;
  #framingBytes = 0;

  /** `page` must be empty. */
  constructor(page: PageBuffer, limits: ResponseLimits) {
    this.#page = page;
    this.#limits = limits;
  }

  /** Reads the first `length` of `bytes`. Must not be called any more after it has returned another state than "incomplete". */
  push(bytes: Buffer, length: number): Progress {
    let at = 0;
    if (this.#expected === "head") {
      const after = this.#readHead(bytes, length);
      if (typeof after !== "number") return after;
      at = after;
    }
    switch (this.#expected) {
      case "close":
        return this.#append(bytes, at, length) ?? INCOMPLETE;
      case "length": {
        const end = Math.min(length, at + this.#bytesLeft);
        this.#bytesLeft -= end - at;
        return this.#append(bytes, at, end) ?? (this.#bytesLeft === 0 ? this.#complete(true) : INCOMPLETE);
      }
      default:
        return this.#readChunks(bytes, at, length);
    }
  }

  /** Returns the final state after the sender has closed the connection. */
  end(): Progress {
    switch (this.#expected) {
      case "close":
        return this.#complete(false);
      case "head":
        return fault("truncated", this.#head === "" ? "empty reply" : "reply ends in its head");
      case "length":
        return fault("truncated", `reply lacks ${this.#bytesLeft} of its bytes`);
      default:
        return fault("truncated", "reply ends before its last chunk");
    }
  }

  #complete(whole: boolean): Progress {
    const isCut = this.#receivedBytes > this.#limits.bodyBytesMax;
    return { state: "complete", whole: whole && !isCut, limit: isCut ? "body_bytes" : undefined };
  }

  /** Returns where the body begins in `bytes`; or the state of a head that is incomplete or at fault. */
  #readHead(bytes: Buffer, length: number): number | Progress {
    const before = this.#head.length;
    const { headerBytesMax } = this.#limits;
    // Usually the whole head has come, and only its bytes are made a string.
    const found = bytes.indexOf(END_OF_HEAD);
    const seen = found < 0 ? length : Math.min(length, found + END_OF_HEAD.length);
    this.#head += bytes.toString("latin1", 0, Math.min(seen, headerBytesMax - before));
    const blank = this.#head.indexOf(END_OF_HEAD, Math.max(0, before - END_OF_HEAD.length));
    if (blank < 0) {
      return this.#head.length < headerBytesMax
        ? INCOMPLETE
        : tooBig("header_bytes", `head has more than ${headerBytesMax} bytes; raise limits::header_bytes`);
    }
    const framing = parseHead(this.#head.slice(0, blank));
    if ("state" in framing) return framing;
    this.#expected = framing.expected;
    this.#bytesLeft = framing.bytes;
    if (framing.bytes > this.#receivedBytesMax) return this.#tooBig();
    return blank + END_OF_HEAD.length - before;
  }

  #readChunks(bytes: Buffer, start: number, end: number): Progress {
    let at = start;
    while (at < end) {
      if (this.#expected === "chunk") {
        const stop = Math.min(end, at + this.#bytesLeft);
        const failed = this.#append(bytes, at, stop);
        if (failed !== undefined) return failed;
        this.#bytesLeft -= stop - at;
        at = stop;
        if (this.#bytesLeft > 0) continue;
        // Usually the chunk's end has come too, and is read without making a string.
        const ends = at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF;
        if (ends) at += 2;
        this.#expected = ends ? "chunk_size" : "chunk_end";
        continue;
      }
      const feed = bytes.indexOf(LF, at);
      const stop = feed < 0 || feed >= end ? end : feed + 1;
      if (this.#line.length + stop - at > LINE_BYTES_MAX)
        return fault("malformed", "chunk without a legal length");
      this.#framingBytes += stop - at;
      if (this.#framingBytes > FRAMING_BYTES_MAX) return fault("malformed", "reply of too many small chunks");
      this.#line += bytes.toString("latin1", at, stop);
      at = stop;
      if (!this.#line.endsWith("\n")) continue;
      const progress = this.#readLine(this.#line);
      if (progress !== INCOMPLETE) return progress;
    }
    return INCOMPLETE;
  }

  /** Reads a line of a chunk's framing; `line` includes the line feed. */
  #readLine(line: string): Progress {
    if (line.charCodeAt(line.length - 2) !== CR) return fault("malformed", "chunk without a legal length");
    switch (this.#expected) {
      case "chunk_end":
        if (line !== "\r\n") return fault("malformed", "chunk longer than its length");
        this.#expected = "chunk_size";
        break;
      case "chunk_size": {
        const size = parseChunkSize(line);
        if (size === undefined) return fault("malformed", "chunk without a legal length");
        if (this.#receivedBytes + size > this.#receivedBytesMax) return this.#tooBig();
        this.#bytesLeft = size;
        this.#expected = size === 0 ? "trailers" : "chunk";
        break;
      }
      default:
        // Trailers have no use here. Their text is kept only so that all of them together have one limit.
        if (line === "\r\n" || line.endsWith("\n\r\n")) return this.#complete(true);
        return INCOMPLETE;
    }
    this.#line = "";
    return INCOMPLETE;
  }

  #append(bytes: Buffer, start: number, end: number): Progress | undefined {
    this.#receivedBytes += end - start;
    if (this.#receivedBytes > this.#receivedBytesMax) return this.#tooBig();
    const stop = Math.min(end, start + this.#limits.bodyBytesMax - this.#page.length);
    if (this.#page.append(bytes, start, stop)) return undefined;
    return tooBig("page_memory_bytes", "no memory left for the page; raise limits::page_memory_bytes");
  }

  get #receivedBytesMax(): number {
    return Math.max(RECEIVED_BYTES_MAX, this.#limits.bodyBytesMax);
  }

  #tooBig(): Progress {
    return tooBig("body_bytes", `page has more than ${this.#receivedBytesMax} bytes`);
  }
}

function fault(kind: ResponseFault, text: string): Progress {
  return { state: "fault", fault: kind, text };
}

/**
 * Returns how the body ends, as the head says, or a fault if no page follows. `bytes` is the body's length, or 0 if the
 * head does not give it.
 */
function parseHead(head: string): { readonly expected: Expected; readonly bytes: number } | Progress {
  const [statusLine = "", ...fields] = head.split("\r\n");
  const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return fault("malformed", "reply is not HTTP/1");
  if (status !== "200") return fault("status", `status ${status}`);
  let chunked = false;
  let length: number | undefined;
  for (const field of fields) {
    const colon = field.indexOf(":");
    const name = field.slice(0, Math.max(0, colon)).toLowerCase();
    const value = field.slice(colon + 1).trim();
    if (name === "transfer-encoding") {
      if (chunked || value.toLowerCase() !== "chunked")
        return fault("malformed", "reply has an unknown transfer encoding");
      chunked = true;
    } else if (name === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value) || (length ?? Number(value)) !== Number(value))
        return fault("malformed", "reply has no legal content length");
      length = Number(value);
    } else if (name === "content-encoding" && value.toLowerCase() !== "identity") {
      return fault("malformed", "reply is compressed, which was not asked for");
    }
  }
  if (chunked && length !== undefined) return fault("malformed", "reply has a length and chunks");
  if (chunked) return { expected: "chunk_size", bytes: 0 };
  return length === undefined ? { expected: "close", bytes: 0 } : { expected: "length", bytes: length };
}

/** Returns the length that a line such as `1f4;name=value` gives; undefined if the line is not valid. */
function parseChunkSize(line: string): number | undefined {
  const semicolon = line.indexOf(";");
  const digits = line.slice(0, semicolon < 0 ? line.length - 2 : semicolon).trimEnd();
  if (digits.length > CHUNK_DIGITS_MAX || !/^[0-9a-fA-F]+$/.test(digits)) return undefined;
  return Number.parseInt(digits, 16);
}

function tooBig(limit: Limit, text: string): Progress {
  return { state: "fault", fault: "too_big", text, limit };
}
