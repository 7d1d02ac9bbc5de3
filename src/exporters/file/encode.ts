// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { pacedJson } from "../../otlp/paced_json.ts";
import { type Framing, lengthPrefixed, lines } from "./framing.ts";

/** Turns a request into a record of the file. */
export interface Encoding {
  /** How the records follow each other in the file. */
  readonly framing: Framing;
  /** Makes the record. Rejects if the request cannot be encoded, or when the signal aborts. */
  encode(request: Uint8Array, signal: AbortSignal): Promise<Buffer>;
}

export interface EncodingOptions {
  readonly format: "json" | "proto";
  readonly compression: "none" | "zstd";
}

const zstd = promisify(zstdCompress);

const JSON_START = '{"resourceMetrics":[';
/** The first byte of each encoded request: the tag of its only field. */
const PROTO_START = Uint8Array.of(0x0a);
const ZSTD_START = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

/** Chooses the encoding, as the Collector does: plain JSON becomes lines; any other record begins with its length. */
export function encodingOf({ format, compression }: EncodingOptions): Encoding {
  const payload = format === "json" ? pacedJson : (request: Uint8Array) => Promise.resolve(request);
  if (compression === "zstd") {
    const framing = lengthPrefixed(ZSTD_START);
    return {
      framing,
      async encode(request, signal) {
        const compressed = await zstd(await payload(request, signal));
        return framing.record(compressed);
      },
    };
  }
  const framing = format === "json" ? lines(JSON_START) : lengthPrefixed(PROTO_START);
  return { framing, encode: async (request, signal) => framing.record(await payload(request, signal)) };
}
