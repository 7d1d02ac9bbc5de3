// SPDX-License-Identifier: Apache-2.0
import { ResponseReader } from "../../src/receivers/kata/scraping/http_response.ts";
import { PageBuffer, PageMemory } from "../../src/receivers/kata/scraping/page_buffer.ts";

/** The time to receive one kind of reply, without the reads from its socket. */
export interface ReplyRow {
  readonly reply: string;
  readonly KB: string;
  /** The time for all pieces together. */
  readonly ms: string;
  /** The time for the slowest piece. Between two pieces other work can run. */
  readonly "worst piece ms": string;
  readonly "bytes kept": number;
  readonly outcome: string;
}

const MIB = 1_024 ** 2;
/** The largest piece that one read of a socket returns. */
const READ_BYTES = 64 * 1_024;
const RUNS = 12;
/** The first runs, in which code is compiled, do not count. */
const WARM_UP = 4;
const LIMITS = { headerBytesMax: 16 * 1_024, bodyBytesMax: MIB };

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

function chunks(size: number, bytes: number, extension = ""): string {
  const one = `${size.toString(16)}${extension}\r\n${"x".repeat(size)}\r\n`;
  return `${CHUNKED}${one.repeat(Math.floor(bytes / one.length))}0\r\n\r\n`;
}

/** The replies, and how many of their bytes one read returns. */
const REPLIES: readonly (readonly [name: string, text: string, readBytes: number])[] = [
  ["300 KB in chunks of 2 KiB, as shims send", chunks(2_048, 300_000), READ_BYTES],
  ["4 MB by its length", `${OK}Content-Length: ${4 * MIB}\r\n\r\n${"x".repeat(4 * MIB)}`, READ_BYTES],
  ["4 MB in chunks of 2 KiB", chunks(2_048, 4 * MIB), READ_BYTES],
  ["4 MB in chunks of a byte", chunks(1, 4 * MIB), READ_BYTES],
  ["4 MB in chunks of a byte with extensions", chunks(1, 4 * MIB, `;${"e".repeat(4_000)}`), READ_BYTES],
  ["16 MB of which most is dropped", `${OK}\r\n${"x".repeat(16 * MIB)}`, READ_BYTES],
  ["a head that drips by the byte", `${OK}${"h".repeat(20_000)}`, 1],
  ["chunk sizes that drip by the byte", chunks(1, 200_000, `;${"e".repeat(3_000)}`), 1],
  ["trailers that drip by the byte", `${CHUNKED}0\r\n${"x: y\r\n".repeat(1_000)}`, 1],
];

/** Measures replies that a hostile shim may send, and an honest one. */
export function benchHostileReplies(): readonly ReplyRow[] {
  return REPLIES.map(([reply, text, readBytes]) => {
    const bytes = Buffer.from(text, "latin1");
    const runs = Array.from({ length: RUNS }, () => receive(bytes, readBytes)).slice(WARM_UP);
    const fastest = runs.reduce((one, other) => (other.ms < one.ms ? other : one));
    return {
      reply,
      KB: (bytes.length / 1_000).toFixed(0),
      ms: fastest.ms.toFixed(2),
      "worst piece ms": Math.min(...runs.map(({ worstMs }) => worstMs)).toFixed(2),
      "bytes kept": fastest.kept,
      outcome: fastest.outcome,
    };
  });
}

function receive(bytes: Buffer, readBytes: number) {
  const page = new PageBuffer(new PageMemory(64 * MIB));
  const reader = new ResponseReader(page, LIMITS);
  let ms = 0;
  let worstMs = 0;
  let progress = reader.push(bytes, 0);
  for (let at = 0; at < bytes.length && progress.state === "incomplete"; at += readBytes) {
    const piece = bytes.subarray(at, at + readBytes);
    const start = performance.now();
    progress = reader.push(piece, piece.length);
    const took = performance.now() - start;
    ms += took;
    worstMs = Math.max(worstMs, took);
  }
  if (progress.state === "incomplete") progress = reader.end();
  const outcome = progress.state === "fault" ? progress.text : progress.state;
  return { ms, worstMs, kept: page.length, outcome };
}
