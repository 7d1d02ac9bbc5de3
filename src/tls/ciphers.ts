// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** The cipher suites of TLS 1.2 that both Go's crypto/tls and Node have: IANA's name to OpenSSL's. */
const OPENSSL_NAMES = {
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
  TLS_RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
} as const;

/**
 * The cipher suites of TLS 1.3. They are always allowed, as in Go; in `cipher_suites` their names are accepted and have
 * no effect.
 */
const ALWAYS_ALLOWED = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
] as const;

/** A cipher suite by its IANA name. */
export type CipherName = keyof typeof OPENSSL_NAMES | (typeof ALWAYS_ALLOWED)[number];
/** All names that the option `cipher_suites` accepts. */
export const cipherNames: readonly CipherName[] = [
  ...(Object.keys(OPENSSL_NAMES) as (keyof typeof OPENSSL_NAMES)[]),
  ...ALWAYS_ALLOWED,
];

/** The option `tls::cipher_suites` of clients and listeners. */
export const cipherSuites: z.ZodType<readonly CipherName[]> = z
  .array(z.enum(cipherNames, "must be a cipher suite of TLS 1.2 by its IANA name"))
  .min(1)
  .describe(
    "Cipher suites of TLS 1.2; if left out, those with forward secrecy. The suites of TLS 1.3 are always allowed",
  );

/**
 * The suites of TLS 1.2 if `cipher_suites` is left out: those that Go's crypto/tls enables by default. All of them
 * agree on the key by ECDHE, so recorded traffic stays secret even if the certificate's key becomes known later. Node's
 * own default is not used because it includes AES128-SHA, with which that traffic could be decrypted.
 */
const DEFAULT_CIPHERS = cipherNames.filter(
  (name) => name.startsWith("TLS_ECDHE_") && !/_CBC_SHA256$/.test(name),
);

/** Returns the suites as OpenSSL's cipher list. If none of the suites is of TLS 1.2, Node speaks TLS 1.3 only. */
export function openSslCiphers(names: readonly CipherName[] = DEFAULT_CIPHERS): string {
  const byName: Readonly<Partial<Record<CipherName, string>>> = OPENSSL_NAMES;
  const chosen = names.map((name) => byName[name]).filter((name) => name !== undefined);
  return [...chosen, ...ALWAYS_ALLOWED].join(":");
}

/** Groups for the key agreement: the Collector's name to OpenSSL's. */
const OPENSSL_GROUPS = {
  X25519: "X25519",
  X25519MLKEM768: "X25519MLKEM768",
  P256: "P-256",
  P384: "P-384",
  P521: "P-521",
} as const;

/** The Collector's name of a group for the key agreement. */
export type CurveName = keyof typeof OPENSSL_GROUPS;
const curveNames = Object.keys(OPENSSL_GROUPS) as CurveName[]; // the record has no other keys

/** The option `tls::curve_preferences` of clients and listeners. */
export const curvePreferences: z.ZodType<readonly CurveName[]> = z
  .array(z.enum(curveNames))
  .min(1)
  .describe("Groups for the key agreement, the best first; OpenSSL's own if left out");

/** Returns the groups as OpenSSL's list; "auto", which lets OpenSSL choose, if the config names none. */
export function openSslGroups(names: readonly CurveName[] | undefined): string {
  return names === undefined ? "auto" : names.map((name) => OPENSSL_GROUPS[name]).join(":");
}
