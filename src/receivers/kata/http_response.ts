const CR = 13;
const LF = 10;

/** Why a response gives no page. */
export type ResponseFault = "malformed" | "status" | "truncated";

export type ParsedResponse =
  /** More must come. */
  | { readonly state: "incomplete" }
  /** The body stands at `start` and has `length` bytes. `whole` is false where only the connection's end says so. */
  | { readonly state: "body"; readonly start: number; readonly length: number; readonly whole: boolean }
  | { readonly state: "fault"; readonly fault: ResponseFault; readonly text: string };

interface Head {
  readonly status: number;
  /** Where the body begins. */
  readonly end: number;
  readonly chunked: boolean;
  readonly contentLength: number | undefined;
}

/**
 * Reads an HTTP/1.1 response out of the first `length` bytes of `bytes`. A chunked body is put together in place, so
 * the bytes must not be parsed again once this has returned one. `ended` says that the connection is closed.
 */
export function parseResponse(bytes: Buffer, length: number, ended: boolean): ParsedResponse {
  const head = parseHead(bytes, length);
  if (head === undefined) {
    return ended
      ? fault("truncated", length === 0 ? "empty reply" : "reply ends in its head")
      : { state: "incomplete" };
  }
  if (typeof head === "string") return fault("malformed", head);
  if (head.status !== 200) return fault("status", `status ${head.status}`);
  const { end: start, chunked, contentLength } = head;
  if (chunked) {
    // A chunked body is not looked at before it can be whole: this is how one ends.
    if (!ended && bytes.toString("latin1", Math.max(start, length - 5), length) !== "0\r\n\r\n")
      return { state: "incomplete" };
    const body = joinChunks(bytes, start, length);
    if (typeof body === "string") return fault("malformed", body);
    if (body !== undefined) return { state: "body", start, length: body, whole: true };
    return ended ? fault("truncated", "reply ends within a chunk") : { state: "incomplete" };
  }
  if (contentLength !== undefined) {
    if (length - start >= contentLength) return { state: "body", start, length: contentLength, whole: true };
    return ended
      ? fault("truncated", `reply ends after ${length - start} of ${contentLength} bytes`)
      : { state: "incomplete" };
  }
  return ended ? { state: "body", start, length: length - start, whole: false } : { state: "incomplete" };
}

function fault(kind: ResponseFault, text: string): ParsedResponse {
  return { state: "fault", fault: kind, text };
}

/** Undefined where the head is not there yet; a text where it is none. */
function parseHead(bytes: Buffer, length: number): Head | string | undefined {
  const blank = bytes.subarray(0, length).indexOf("\r\n\r\n");
  if (blank < 0) return undefined;
  const [statusLine = "", ...fields] = bytes.toString("latin1", 0, blank).split("\r\n");
  const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return "reply is not HTTP/1";
  let chunked = false;
  let contentLength: number | undefined;
  for (const field of fields) {
    const [, name = "", value = ""] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(field) ?? [];
    const key = name.toLowerCase();
    if (key === "transfer-encoding") {
      if (value.toLowerCase() !== "chunked") return "reply has an unknown transfer encoding";
      chunked = true;
    } else if (key === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value)) return "reply has no legal content length";
      contentLength = Number(value);
    } else if (key === "content-encoding" && value.toLowerCase() !== "identity")
      return "reply is compressed, which we did not ask for";
  }
  return { status: Number(status), end: blank + 4, chunked, contentLength };
}

/** Moves the chunks' contents together at `start` and returns their length; undefined where the last chunk is missing. */
function joinChunks(bytes: Buffer, start: number, end: number): number | string | undefined {
  const chunks: { from: number; size: number }[] = [];
  let pos = start;
  for (;;) {
    const lineEnd = bytes.indexOf(LF, pos);
    if (lineEnd < 0 || lineEnd >= end) return undefined;
    if (bytes[lineEnd - 1] !== CR) return "chunk without a legal length";
    const digits = /^[0-9a-fA-F]{1,8}(?=[\s;]|$)/.exec(bytes.toString("latin1", pos, lineEnd - 1))?.[0];
    if (digits === undefined) return "chunk without a legal length";
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    if (lineEnd + 1 + size + 2 > end) return undefined;
    if (bytes[lineEnd + 1 + size] !== CR || bytes[lineEnd + 2 + size] !== LF)
      return "chunk longer than its length";
    chunks.push({ from: lineEnd + 1, size });
    pos = lineEnd + 3 + size;
  }
  let to = start;
  for (const { from, size } of chunks) {
    bytes.copyWithin(to, from, from + size);
    to += size;
  }
  return to - start;
}
