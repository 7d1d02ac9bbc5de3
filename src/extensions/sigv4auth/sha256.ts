// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";

type Source = string | ArrayBuffer | ArrayBufferView;

/**
 * SHA-256, or its HMAC if a secret is given, in the form that the signing library demands. Node computes it, which
 * is faster than a hash in JavaScript.
 */
export class Sha256 {
  readonly #secret: Source | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: Source) {
    this.#secret = secret;
    this.#hash = newHash(secret);
  }

  update(chunk: Source): void {
    this.#hash.update(bytesOf(chunk));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = newHash(this.#secret);
  }
}

function newHash(secret: Source | undefined): Hash | Hmac {
  return secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
}

function bytesOf(source: Source): Uint8Array {
  if (typeof source === "string") return Buffer.from(source);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}
