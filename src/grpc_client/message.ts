// SPDX-License-Identifier: Apache-2.0
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Compress, compressor } from "../compression/compress.ts";
import { fromSnappyFrames } from "../compression/snappy_frames.ts";

/** The compression of a message, by the names that the Collector uses in gRPC; "identity" is none. */
export type MessageEncoding = "identity" | "gzip" | "zstd" | "snappy";

/** The encodings that a peer may use in its answer, as the value of `grpc-accept-encoding`. */
export const ACCEPTED_ENCODINGS: string = "identity,gzip,zstd,snappy";

/** The bytes before each message: one byte of flags, and four with the message's length. */
const PREFIX_BYTES = 5;
/** The flag of a compressed message. */
const COMPRESSED = 1;
/** The most bytes of an answer, also decompressed, so that a hostile peer cannot use up memory. */
export const ANSWER_BYTES_MAX: number = 64 * 1024;

/** The compression for each encoding. In gRPC, "snappy" is the name of snappy's framed format. */
const COMPRESS: Readonly<Record<Exclude<MessageEncoding, "identity">, Compress>> = {
  gzip: compressor({ codec: "gzip" }),
  zstd: compressor({ codec: "zstd" }),
  snappy: compressor({ codec: "x-snappy-framed" }),
};

/** Joins the parts into one message and compresses it. Returns the message with the prefix of its length, in pieces. */
export async function frameMessage(
  parts: readonly Uint8Array[],
  encoding: MessageEncoding,
): Promise<readonly Uint8Array[]> {
  const [only] = parts;
  const body =
    encoding === "identity"
      ? parts
      : [await COMPRESS[encoding](parts.length === 1 && only !== undefined ? only : Buffer.concat(parts))];
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt8(encoding === "identity" ? 0 : COMPRESSED, 0);
  prefix.writeUInt32BE(
    body.reduce((bytes, part) => bytes + part.length, 0),
    1,
  );
  return [prefix, ...body];
}

/**
 * Returns the decompressed message of an answer; no bytes if the answer has no message. A message that cannot be
 * decompressed is returned as it came. The request still counts as delivered, since the status says so, and the caller
 * finds out that it cannot decode the message.
 */
export function readMessage(answer: Buffer, encoding: string): Uint8Array {
  if (answer.length < PREFIX_BYTES) return new Uint8Array();
  const message = answer.subarray(PREFIX_BYTES, PREFIX_BYTES + answer.readUInt32BE(1));
  if (answer.readUInt8(0) !== COMPRESSED) return message;
  try {
    return uncompressed(message, encoding);
  } catch {
    return message;
  }
}

function uncompressed(message: Buffer, encoding: string): Buffer {
  const limit = { maxOutputLength: ANSWER_BYTES_MAX };
  switch (encoding) {
    case "gzip":
      return gunzipSync(message, limit);
    case "zstd":
      return zstdDecompressSync(message, limit);
    case "snappy":
      return fromSnappyFrames(message, ANSWER_BYTES_MAX);
    default:
      return message;
  }
}
