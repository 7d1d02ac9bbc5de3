import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import type { OtlpEncoding } from "../../otlp/answer.ts";
import { pacedJson } from "../../otlp/paced_json.ts";
import type { Compression } from "./config.ts";

/** How requests become bodies. */
export interface BodyFormat {
  /** What the bodies are, as headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Rejects when the signal aborts, or where the request cannot be encoded. */
  encode(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

export const CONTENT_TYPE: Readonly<Record<OtlpEncoding, string>> = {
  proto: "application/x-protobuf",
  json: "application/json",
};

const gzipped = promisify(gzip);
const zstdCompressed = promisify(zstdCompress);

type Transform = (bytes: Uint8Array) => Promise<Uint8Array>;

export function bodyFormat(encoding: OtlpEncoding, compression: Compression): BodyFormat {
  const compress = compressor(compression);
  const { type } = compression;
  return {
    headers: {
      "content-type": CONTENT_TYPE[encoding],
      ...(type === "none" ? {} : { "content-encoding": type }),
    },
    encode: async (request, signal) =>
      await compress(encoding === "proto" ? request : await pacedJson(request, signal)),
  };
}

/** Compression has threads of its own: the event loop goes on meanwhile. */
function compressor(compression: Compression): Transform {
  if (compression.type === "none") return (bytes) => Promise.resolve(bytes);
  const { type, level } = compression;
  if (type === "gzip") return (bytes) => gzipped(bytes, level === undefined ? {} : { level });
  const params = level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level };
  return (bytes) => zstdCompressed(bytes, { params });
}
