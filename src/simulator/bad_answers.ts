// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { FLOOD_SERIES, floodPiece } from "./bad_pages.ts";
import type { NumberStyle } from "./number_text.ts";
import { OK, renderChunk, renderHead, type ShimRequest } from "./shim_http.ts";

const SLOW_PIECE_BYTES = 512;
const SLOW_PAUSE_MS = 200;
/** The Content-Length of a page that never ends. */
const ENDLESS_BYTES = 1e12;

/** Ends the response in the middle of a line, as a shim that dies does. */
export function cutShort(socket: Socket, response: Buffer): void {
  socket.end(response.subarray(0, response.indexOf("\n", response.length >> 1) + 4));
}

/** Writes the response in small pieces, with pauses between them. */
export function dribble(socket: Socket, response: Buffer): void {
  let at = 0;
  const timer = setInterval(() => {
    const piece = response.subarray(at, at + SLOW_PIECE_BYTES);
    at += SLOW_PIECE_BYTES;
    if (at < response.length) socket.write(piece);
    else socket.end(piece);
  }, SLOW_PAUSE_MS);
  socket.on("close", () => clearInterval(timer));
  socket.on("finish", () => clearInterval(timer));
}

/** Writes an endless response, for as long as the client reads. */
export function flood(socket: Socket, request: ShimRequest, flavor: NumberStyle): void {
  const framing = flavor === "go" ? "Transfer-Encoding: chunked" : `Content-Length: ${ENDLESS_BYTES}`;
  socket.write(renderHead(request, { flavor, status: OK, framing }));
  let series = 0;
  const more = (): void => {
    for (let room = true; room && !socket.destroyed; ) {
      const piece = floodPiece(series);
      series += FLOOD_SERIES;
      room = socket.write(flavor === "go" ? renderChunk(piece) : piece);
    }
  };
  socket.on("drain", more);
  more();
}
