// SPDX-License-Identifier: Apache-2.0
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Compress, compressor } from "../compression/compress.ts";
import { fromSnappyFrames } from "../compression/snappy_frames.ts";

/** The names by which gRPC's peers know encodings, as the Collector registers them. */
export type MessageEncoding = "identity" | "gzip" | "zstd" | "snappy";

/** What a peer may answer in. */
export const ACCEPTED_ENCODINGS: string = "identity,gzip,zstd,snappy";

/** A flag byte, and the length of the message in four. */
const PREFIX_BYTES = 5;
const COMPRESSED = 1;
/** No honest answer to a push is longer, and a hostile one that grows when it is read costs no memory. */
export const ANSWER_BYTES_MAX: number = 64 * 1024;

/** What gRPC calls snappy is a stream of snappy's frames. */
const COMPRESS: Readonly<Record<Exclude<MessageEncoding, "identity">, Compress>> = {
  gzip: compressor({ codec: "gzip" }),
  zstd: compressor({ codec: "zstd" }),
  snappy: compressor({ codec: "x-snappy-framed" }),
};

/** A length-prefixed message whose bytes are those of the parts, one after the other. */
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
 * The message in an answer, uncompressed; empty where there is none. What cannot be read is returned as it came: the
 * status says what became of the request, and whoever reads the message says that it makes no sense.
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
