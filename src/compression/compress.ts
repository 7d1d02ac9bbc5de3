// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { constants, deflate, gzip, zstdCompress } from "node:zlib";
import { toLz4Frame } from "./lz4_frames.ts";
import { toSnappyBlock, toSnappyFrames } from "./snappy_frames.ts";

/** A codec, by its name in `content-encoding`. */
export type Codec = "gzip" | "zstd" | "zlib" | "deflate" | "snappy" | "x-snappy-framed" | "lz4";

export const CODECS: readonly Codec[] = [
  "gzip",
  "zstd",
  "zlib",
  "deflate",
  "snappy",
  "x-snappy-framed",
  "lz4",
];

/** The levels of the codecs that have some: the least is the fastest, the highest makes the smallest output. -1 is zlib's default. */
export const LEVELS: Readonly<Partial<Record<Codec, { readonly min: number; readonly max: number }>>> = {
  gzip: { min: -1, max: 9 },
  zlib: { min: -1, max: 9 },
  deflate: { min: -1, max: 9 },
  zstd: { min: 1, max: 22 },
};

export interface Compression {
  readonly codec: Codec;
  /** The codec's own number; undefined for its default, and for codecs without levels. */
  readonly level?: number | undefined;
}

export type Compress = (bytes: Uint8Array) => Promise<Uint8Array>;

const gzipped = promisify(gzip);
const deflated = promisify(deflate);
const zstdCompressed = promisify(zstdCompress);

/** Makes a function that compresses bytes. gzip, deflate, zlib and zstd run in other threads; snappy and lz4 block the event loop. */
export function compressor({ codec, level }: Compression): Compress {
  const zlibOptions = level === undefined ? {} : { level };
  switch (codec) {
    case "gzip":
      return (bytes) => gzipped(bytes, zlibOptions);
    // RFC 9110, 8.4.1.2: what HTTP calls deflate is the format of zlib.
    case "deflate":
    case "zlib":
      return (bytes) => deflated(bytes, zlibOptions);
    case "zstd": {
      const params = level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level };
      return (bytes) => zstdCompressed(bytes, { params });
    }
    case "snappy":
      return (bytes) => Promise.resolve(toSnappyBlock(bytes));
    case "x-snappy-framed":
      return (bytes) => Promise.resolve(toSnappyFrames(bytes));
    case "lz4":
      return (bytes) => Promise.resolve(toLz4Frame(bytes));
  }
}
