import { z } from "zod";

/** Cipher suites of TLS 1.2 that Go's crypto/tls offers and Node has: IANA's name to OpenSSL's. */
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

/** Those of TLS 1.3 cannot be chosen from in Go, which takes their names all the same. */
const ALWAYS_ALLOWED = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
] as const;

export type CipherName = keyof typeof OPENSSL_NAMES | (typeof ALWAYS_ALLOWED)[number];
export const cipherNames: readonly CipherName[] = [
  ...(Object.keys(OPENSSL_NAMES) as (keyof typeof OPENSSL_NAMES)[]),
  ...ALWAYS_ALLOWED,
];

/** `tls::cipher_suites`, of clients and of listeners. */
export const cipherSuites: z.ZodType<readonly CipherName[]> = z
  .array(z.enum(cipherNames, "must be a cipher suite of TLS 1.2 by its IANA name"))
  .min(1)
  .describe("For TLS 1.2; Node's own choice if left out. Those of TLS 1.3 are always allowed");

/** OpenSSL's cipher list of the suites. Without one of TLS 1.2 among them, Node speaks TLS 1.3 only. */
export function openSslCiphers(names: readonly CipherName[]): string {
  const byName: Readonly<Partial<Record<CipherName, string>>> = OPENSSL_NAMES;
  const chosen = names.map((name) => byName[name]).filter((name) => name !== undefined);
  return [...chosen, ...ALWAYS_ALLOWED].join(":");
}
