// SPDX-License-Identifier: Apache-2.0
import { type Compression, compressor } from "../../compression/compress.ts";
import type { OtlpEncoding } from "../../otlp/answer.ts";
import { pacedJson } from "../../otlp/paced_json.ts";

/** Turns OTLP requests into bodies of HTTP requests. */
export interface BodyFormat {
  /** The headers that describe the bodies. */
  readonly headers: Readonly<Record<string, string>>;
  /** Encodes and compresses a request. Rejects when the signal aborts, or if the request cannot be encoded. */
  encode(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** The content type of requests and answers in each encoding. */
export const OTLP_CONTENT_TYPE: Readonly<Record<OtlpEncoding, string>> = {
  proto: "application/x-protobuf",
  json: "application/json",
};

/** Makes the format of bodies with this encoding and compression. `compression` is undefined for none. */
export function bodyFormat(encoding: OtlpEncoding, compression: Compression | undefined): BodyFormat {
  const compress = compression === undefined ? undefined : compressor(compression);
  return {
    headers: {
      "content-type": OTLP_CONTENT_TYPE[encoding],
      ...(compression === undefined ? {} : { "content-encoding": compression.codec }),
    },
    async encode(request, signal) {
      const body = encoding === "proto" ? request : await pacedJson(request, signal);
      return compress === undefined ? body : await compress(body);
    },
  };
}
