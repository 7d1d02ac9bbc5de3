// SPDX-License-Identifier: Apache-2.0
import { gzipSync } from "node:zlib";
import { seededRandom } from "../../src/simulator/random.ts";
import type { HostileAnswer } from "../kit/kata/hostile_shim.ts";
import { below, pick } from "./mutate.ts";

/** Tricks by which a part of the page looks like a complete one. */
export const CUTTING_TRICKS: ReadonlySet<string> = new Set([
  "length_too_small",
  "length_odd",
  "two_lengths",
  "chunk_sizes_odd",
]);

type Answer = Omit<HostileAnswer, "trick">;
type HttpTrick = (page: Buffer, random: () => number) => Answer;

const KIB = 1_024;

function head(fields: readonly string[], status = "HTTP/1.1 200 OK"): Buffer {
  return Buffer.from([status, ...fields, "", ""].join("\r\n"), "latin1");
}

function lengthOf(body: Buffer): string {
  return `Content-Length: ${body.length}`;
}

function ending(...parts: (Buffer | string)[]): Answer {
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));
  return { pieces: [Buffer.concat(bytes)], afterwards: "end" };
}

/** Writes the page in chunks, each with `extension` after its size. */
function chunked(page: Buffer, extension = ""): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < page.length; at += 4 * KIB) {
    const piece = page.subarray(at, at + 4 * KIB);
    parts.push(Buffer.from(`${piece.length.toString(16)}${extension}\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

const CHUNKED = "Transfer-Encoding: chunked";

const HTTP_TRICKS: Readonly<Record<string, HttpTrick>> = {
  length_too_small: (page, random) => ending(head([`Content-Length: ${below(page.length, random)}`]), page),
  length_too_large: (page) => ending(head([`Content-Length: ${page.length + 100}`]), page),
  length_odd: (page, random) => {
    const odd = [
      "-1",
      "1e9",
      "0x10",
      "18446744073709551616",
      "9".repeat(400),
      "",
      " ",
      "+5",
      "5, 6",
      "NaN",
      "1.5",
    ];
    return ending(head([`Content-Length: ${pick(odd, random)}`]), page);
  },
  two_lengths: (page) => ending(head([lengthOf(page), "Content-Length: 10"]), page),
  length_and_chunks: (page) => ending(head([lengthOf(page), CHUNKED]), chunked(page)),
  no_length: (page) => ending(head([]), page),
  chunk_extensions: (page, random) =>
    ending(head([CHUNKED]), chunked(page, pick([";a=b", ";x", " ", `;${"x".repeat(20 * KIB)}`], random))),
  chunk_sizes_odd: (page, random) => {
    const size = pick(
      ["-1", "zz", "ffffffffffffffffffff", "7fffffff", "0x10", "", "00000000000000000001", "1 "],
      random,
    );
    return ending(head([CHUNKED]), `${size}\r\n`, page, "\r\n0\r\n\r\n");
  },
  chunk_without_end: (page) => ending(head([CHUNKED]), `${page.length.toString(16)}\r\n`, page, "0\r\n\r\n"),
  chunks_cut: (page, random) => {
    const body = chunked(page);
    return ending(head([CHUNKED]), body.subarray(0, below(body.length, random)));
  },
  chunks_of_one_byte: (page) => {
    const bytes = [...page.subarray(0, 4 * KIB)].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`);
    return ending(head([CHUNKED]), bytes.join(""), chunked(page.subarray(4 * KIB)));
  },
  trailers: (page, random) => {
    const body = chunked(page);
    const trailer = pick(
      ["X: y\r\n\r\n", `X: ${"y".repeat(64 * KIB)}\r\n\r\n`, "no colon\r\n\r\n", "HTTP/1.1"],
      random,
    );
    return ending(head([CHUNKED]), body.subarray(0, body.length - 2), trailer);
  },
  bare_line_feeds: (page) => ending(`HTTP/1.1 200 OK\nContent-Length: ${page.length}\n\n`, page),
  said_to_be_gzip: (page) => ending(head(["Content-Encoding: gzip", lengthOf(page)]), page),
  is_gzip: (page, random) => {
    const body = random() < 0.5 ? gzipSync(page) : gzipSync(Buffer.alloc(1_000 * KIB, "kata_guest_bomb 1\n"));
    return ending(head(["Content-Encoding: gzip", lengthOf(body)]), body);
  },
  other_encodings: (page, random) =>
    ending(
      head([
        pick(
          [
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding : chunked",
          ],
          random,
        ),
      ]),
      chunked(page),
    ),
  huge_headers: (page, random) => {
    const fields = pick(
      [[`X: ${"x".repeat(1_000 * KIB)}`], Array.from({ length: 20_000 }, (_, at) => `X-${at}: 1`)],
      random,
    );
    return ending(head([...fields, lengthOf(page)]), page);
  },
  odd_headers: (page, random) => {
    const odd = [
      "no colon",
      ": empty",
      "a\u0000b: c",
      " folded: x",
      "Content-Type: application/openmetrics-text",
      "é: ÿ",
      "X:\ry",
    ];
    return ending(head([pick(odd, random), lengthOf(page), pick(odd, random)]), page);
  },
  other_status: (page, random) => {
    const status = [
      "204 No Content",
      "206 Partial Content",
      "301 Moved",
      "304 Not Modified",
      "404",
      "500 x",
      "99 x",
      "2000 OK",
      "-200 x",
      "",
      "200",
    ];
    return ending(
      head([lengthOf(page), "Location: http://localhost/"], `HTTP/1.1 ${pick(status, random)}`),
      page,
    );
  },
  other_protocol: (page, random) => {
    const lines = [
      "HTTP/0.9 200 OK",
      "HTTP/2 200 OK",
      "HTTP/1.10 200 OK",
      "http/1.1 200 OK",
      "ICY 200 OK",
      "PRI * HTTP/2.0",
      "",
    ];
    return ending(head([lengthOf(page)], pick(lines, random)), page);
  },
  interim_answers: (page, random) => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(pick([1, 3, 5_000], random));
    return ending(interim, head([lengthOf(page)]), page);
  },
  only_a_page: (page) => ending(page),
  two_answers: (page) => ending(head([lengthOf(page)]), page, head([lengthOf(page)]), page),
  nothing: () => ending(""),
  noise: (_page, random) => ending(Buffer.from(Array.from({ length: 3_000 }, () => below(256, random)))),
  half: (page, random) => {
    const whole = Buffer.concat([head([lengthOf(page)]), page]);
    return ending(whole.subarray(0, below(whole.length, random)));
  },
  cut: (page, random) => {
    const whole = Buffer.concat([head([lengthOf(page)]), page]);
    return { pieces: [whole.subarray(0, below(whole.length, random))], afterwards: "cut" };
  },
};

/** Answers that never end, so that the client gives up, and then waits longer and longer before it asks again. */
const ENDLESS: Readonly<Record<string, HttpTrick>> = {
  silence: () => ({ pieces: [], afterwards: "silence" }),
  half_then_silence: (page, random) => {
    const whole = Buffer.concat([head([lengthOf(page)]), page]);
    return { pieces: [whole.subarray(0, below(whole.length, random))], afterwards: "silence" };
  },
  large_then_silence: () => {
    const body = Buffer.alloc(15 * KIB * KIB, 'kata_guest_large{item="x"} 1\n');
    return { pieces: [head([`Content-Length: ${body.length + 1}`]), body], afterwards: "silence" };
  },
  byte_by_byte: (page) => {
    const whole = Buffer.concat([head([lengthOf(page)]), page]);
    return {
      pieces: Array.from(whole.subarray(0, 2_000), (byte) => Buffer.from([byte])),
      afterwards: "silence",
    };
  },
  too_large: (page) => {
    const body = Buffer.concat(Array.from({ length: Math.ceil((17 * KIB * KIB) / page.length) }, () => page));
    return { pieces: [head([CHUNKED]), chunked(body)], afterwards: "silence" };
  },
};

function whole(page: Buffer, random: () => number): Answer {
  const asChunks = random() < 0.5;
  return ending(head([asChunks ? CHUNKED : lengthOf(page)]), asChunks ? chunked(page) : page);
}

/** Makes an answer with the page, or with a part of it, as the seed decides. */
export function hostileAnswer(page: Buffer, seed: number): HostileAnswer {
  const random = seededRandom(seed);
  const draw = random();
  if (draw < 0.75 && page.length > 0) return { trick: "none", ...whole(page, random) };
  const tricks = draw < 0.97 ? HTTP_TRICKS : ENDLESS;
  const trick = pick(Object.keys(tricks), random);
  return { trick, ...(tricks[trick] ?? whole)(page, random) };
}
