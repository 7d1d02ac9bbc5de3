// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from "node:crypto";

/** The hash of a password in an htpasswd file. */
export interface PasswordHash {
  readonly kind: "bcrypt" | "sha1";
  readonly text: string;
}

/** The contents of an htpasswd file. */
export interface Htpasswd {
  /** The hashes by user name. */
  readonly hashes: ReadonlyMap<string, PasswordHash>;
  /**
   * Says what is wrong with the first bad line, without quoting the line, since it may contain a password; undefined if
   * all lines are good.
   */
  readonly fault: string | undefined;
}

/**
 * The highest cost of a bcrypt hash; a higher one is a fault. Each step doubles the time; a hash of cost 14 takes a
 * second of a core.
 */
const BCRYPT_COST_MAX = 14;
const WAY_OUT = "make it with htpasswd -B";

/**
 * Parses lines of `name:hash`, as Apache's htpasswd writes them. Of two lines with the same name the last one counts. A
 * hash is bcrypt's, or SHA-1 with or without a salt. Any other hash, and a password in the clear, is a fault.
 */
export function parseHtpasswd(text: string): Htpasswd {
  const hashes = new Map<string, PasswordHash>();
  let fault: string | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const hash = line.slice(colon + 1);
    const reason = colon < 1 ? 'is no "name:hash"' : faultOf(hash);
    if (reason !== undefined) fault ??= `line ${index + 1} ${reason}`;
    else hashes.set(line.slice(0, colon), { kind: hash.startsWith("{") ? "sha1" : "bcrypt", text: hash });
  }
  if (hashes.size === 0) fault ??= "it has no line with a name and a hash";
  return { hashes, fault };
}

function faultOf(hash: string): string | undefined {
  const cost = /^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$/.exec(hash)?.[1];
  if (cost !== undefined) {
    const isCost = Number(cost) >= 4 && Number(cost) <= BCRYPT_COST_MAX;
    return isCost ? undefined : `has a bcrypt hash of cost ${cost}, which must be 4 to ${BCRYPT_COST_MAX}`;
  }
  if (/^\{S?SHA\}/.test(hash))
    return saltedSha1(hash) === undefined ? "has a hash by SHA-1 that is not whole" : undefined;
  if (/^\$(?:apr1|1)\$/.test(hash)) return `has a hash by MD5 (apr1), which is not supported; ${WAY_OUT}`;
  if (/^\$[56y7]\$/.test(hash)) return `has a hash by crypt, which is not supported; ${WAY_OUT}`;
  if (hash.startsWith("$2")) return "has a hash by bcrypt that is not whole";
  return `has no hash that is known, or a password in the clear; ${WAY_OUT}`;
}

const SHA1_BYTES = 20;

/**
 * Decodes `{SHA}…` or `{SSHA}…` into the hash and the salt, which was hashed after the password. Undefined for any
 * other text.
 */
function saltedSha1(text: string): { readonly hash: Buffer; readonly salt: Buffer } | undefined {
  const [, salted, base64 = ""] = /^\{(S?)SHA\}([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, "base64");
  const isWhole = salted === "S" ? bytes.length > SHA1_BYTES : bytes.length === SHA1_BYTES;
  return isWhole ? { hash: bytes.subarray(0, SHA1_BYTES), salt: bytes.subarray(SHA1_BYTES) } : undefined;
}

/** Returns whether the password has this SHA-1 hash. */
export function isSha1Of(password: string, text: string): boolean {
  const wanted = saltedSha1(text);
  if (wanted === undefined) return false;
  return timingSafeEqual(createHash("sha1").update(password).update(wanted.salt).digest(), wanted.hash);
}
