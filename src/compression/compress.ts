// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { constants, deflate, gzip, zstdCompress } from "node:zlib";
import { toLz4Frame } from "./lz4_frames.ts";
import { toSnappyBlock, toSnappyFrames } from "./snappy_frames.ts";

/** A codec, by its name in `content-encoding`. */
export type Codec = "gzip" | "zstd" | "zlib" | "deflate" | "snappy" | "x-snappy-framed" | "lz4";

/** All codecs, as the option `compression` lists them. */
export const CODECS: readonly Codec[] = [
  "gzip",
  "zstd",
  "zlib",
  "deflate",
  "snappy",
  "x-snappy-framed",
  "lz4",
];

/** The levels of the codecs that have levels. A higher one is slower and makes smaller output; -1 is zlib's default. */
export const LEVELS: Readonly<Partial<Record<Codec, { readonly min: number; readonly max: number }>>> = {
  gzip: { min: -1, max: 9 },
  zlib: { min: -1, max: 9 },
  deflate: { min: -1, max: 9 },
  zstd: { min: 1, max: 22 },
};

/** A codec and its level. */
export interface Compression {
  readonly codec: Codec;
  /** A level within the codec's `LEVELS`; undefined for the codec's default level, and for codecs without levels. */
  readonly level?: number | undefined;
}

/** Compresses bytes. The bytes must not change until the promise settles. */
export type Compress = (bytes: Uint8Array) => Promise<Uint8Array>;

const gzipped = promisify(gzip);
const deflated = promisify(deflate);
const zstdCompressed = promisify(zstdCompress);

/**
 * Makes a function that compresses bytes: gzip, deflate, zlib and zstd in other threads, the others on the main thread.
 */
export function compressor({ codec, level }: Compression): Compress {
  const zlibOptions = level === undefined ? {} : { level };
  switch (codec) {
    case "gzip":
      return (bytes) => gzipped(bytes, zlibOptions);
    // In HTTP, "deflate" is the name of zlib's format (RFC 9110, 8.4.1.2).
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
