// SPDX-License-Identifier: Apache-2.0
import type { NumberStyle } from "./number_text.ts";

/** The parts of a client's request that shims use. */
export interface ShimRequest {
  readonly method: string;
  readonly path: string;
  /** Whether the connection stays open for another request. */
  readonly keepsOpen: boolean;
  /** The version of HTTP, because a response in chunks needs 1.1. */
  readonly version: "1.0" | "1.1";
}

export const OK = "200 OK";

const END_OF_HEAD = "\r\n\r\n";
/** The limit on the head of a request, in bytes. A shim closes the connection of a client that exceeds it. */
export const HEAD_BYTES_MAX = 8_192;

/** Returns the complete requests in the text, and the rest. Requests have no bodies, because clients of shims send none. */
export function takeRequests(text: string): { requests: ShimRequest[]; rest: string } {
  const heads = text.split(END_OF_HEAD);
  const rest = heads.pop() ?? "";
  return { requests: heads.map(parseHead), rest };
}

function parseHead(head: string): ShimRequest {
  const [line = "", ...fields] = head.split("\r\n");
  const [method = "", path = "", protocol = ""] = line.split(" ");
  const version = protocol === "HTTP/1.0" ? "1.0" : "1.1";
  const closes = fields.some((field) => /^connection:\s*close\s*$/i.test(field));
  return { method, path, version, keepsOpen: version === "1.1" && !closes };
}

export interface ShimResponse {
  readonly flavor: NumberStyle;
  readonly status: string;
  readonly body: Buffer;
}

/** Go's server sends a body of up to this many bytes with its length, and larger ones in chunks. */
const UNCHUNKED_BYTES_MAX = 2_048;
/**
 * The least size of a chunk from Go's server. The sizes depend on the buffers of the server and of its text encoder.
 */
const CHUNK_BYTES_MIN = 2_048;
/** The greatest size of a chunk from Go's server. */
const CHUNK_BYTES_MAX = 4_096;
/** The bytes of a chunk beside its data: the size in hex, such as `1000`, and two line ends. */
const CHUNK_FRAME_BYTES = 8;

/** Returns the bytes of a whole response, as the shim's server writes it. */
export function renderResponse(request: ShimRequest, { flavor, status, body }: ShimResponse): Buffer {
  if (flavor === "rs" || body.length <= UNCHUNKED_BYTES_MAX) {
    const head = renderHead(request, { flavor, status, framing: `Content-Length: ${body.length}` });
    return Buffer.concat([head, body]);
  }
  if (request.version === "1.0") {
    return Buffer.concat([renderHead(request, { flavor, status, framing: undefined }), body]);
  }
  const head = renderHead(request, { flavor, status, framing: "Transfer-Encoding: chunked" });
  const chunksMax = Math.ceil(body.length / CHUNK_BYTES_MIN) + 1;
  const bytes = Buffer.allocUnsafe(head.length + body.length + chunksMax * CHUNK_FRAME_BYTES);
  let length = head.copy(bytes);
  for (let at = 0; at < body.length; ) {
    const spread = CHUNK_BYTES_MAX - CHUNK_BYTES_MIN;
    const end = Math.min(body.length, at + CHUNK_BYTES_MIN + ((at * 7) % spread));
    length += bytes.write(`${(end - at).toString(16)}\r\n`, length, "latin1");
    length += body.copy(bytes, length, at, end);
    length += bytes.write("\r\n", length, "latin1");
    at = end;
  }
  length += bytes.write(LAST_CHUNK, length, "latin1");
  return bytes.subarray(0, length);
}

const LAST_CHUNK = "0\r\n\r\n";

/** Returns the bytes of one chunk, for a body whose size is not known. */
export function renderChunk(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")]);
}

export interface HeadOptions {
  readonly flavor: NumberStyle;
  readonly status: string;
  /** The field that tells where the body ends. Undefined if the end of the connection ends it. */
  readonly framing: string | undefined;
}

/** Returns the head of a response. Go's server names the content's type; that of runtime-rs does not. */
export function renderHead(request: ShimRequest, { flavor, status, framing }: HeadOptions): Buffer {
  const fields = [`Date: ${new Date().toUTCString()}`];
  if (flavor === "go") fields.push("Content-Type: text/plain; charset=utf-8");
  if (framing !== undefined) fields.push(framing);
  if (!request.keepsOpen) fields.push("Connection: close");
  const lines = flavor === "go" ? fields : fields.map(lowerCaseName);
  return Buffer.from(`HTTP/${request.version} ${status}\r\n${lines.join("\r\n")}${END_OF_HEAD}`, "latin1");
}

/** Returns the field with its name in lower case, as hyper, the server of runtime-rs, writes it. */
function lowerCaseName(field: string): string {
  const colon = field.indexOf(":");
  return field.slice(0, colon).toLowerCase() + field.slice(colon);
}
