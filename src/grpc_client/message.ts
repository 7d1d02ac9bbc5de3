// SPDX-License-Identifier: Apache-2.0
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Compress, compressor } from "../compression/compress.ts";
import { fromSnappyFrames } from "../compression/snappy_frames.ts";

/** The compression of a message, by the names that the Collector registers with gRPC. */
export type MessageEncoding = "identity" | "gzip" | "zstd" | "snappy";

/** The encodings that a peer may use in its answer, as the value of `grpc-accept-encoding`. */
export const ACCEPTED_ENCODINGS: string = "identity,gzip,zstd,snappy";

/** A message is preceded by one byte of flags and four bytes with its length. */
const PREFIX_BYTES = 5;
const COMPRESSED = 1;
/** The largest answer, also after decompression. No honest one is longer, and a hostile one must not use up memory. */
export const ANSWER_BYTES_MAX: number = 64 * 1024;

/** In gRPC, "snappy" means the framed format of snappy. */
const COMPRESS: Readonly<Record<Exclude<MessageEncoding, "identity">, Compress>> = {
  gzip: compressor({ codec: "gzip" }),
  zstd: compressor({ codec: "zstd" }),
  snappy: compressor({ codec: "x-snappy-framed" }),
};

/** Returns the bytes of a length-prefixed message that consists of the parts. */
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
 * Returns the message of an answer, decompressed; empty where there is none. A message that cannot be decompressed is
 * returned as it came: the status decides about the request, and the caller finds out that the message cannot be decoded.
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
