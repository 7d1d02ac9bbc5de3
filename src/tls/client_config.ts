// SPDX-License-Identifier: Apache-2.0
import type { SecureVersion } from "node:tls";
import { z } from "zod";
import { duration, secret, unsupported } from "../options/values.ts";
import { cipherSuites, curvePreferences, openSslCiphers, openSslGroups } from "./ciphers.ts";
import type { PemSource } from "./key_material.ts";

/** How a client secures its connections: those of the Collector's client options in `configtls` that the agent has. */
export interface ClientTlsConfig {
  /** Whether to send in the clear to an endpoint without a scheme. A scheme, such as https://, decides by itself. */
  readonly insecure: boolean;
  /** Whether to use TLS but accept any certificate of the server. */
  readonly insecureSkipVerify: boolean;
  /** The authorities that are trusted; undefined for the system's. */
  readonly ca: PemSource | undefined;
  /** The client's own certificate. */
  readonly cert: PemSource | undefined;
  /** The key of `cert`. */
  readonly key: PemSource | undefined;
  readonly minVersion: SecureVersion;
  /** The highest version of TLS that is used; undefined for the highest that Node has. */
  readonly maxVersion: SecureVersion | undefined;
  /** The name that the server's certificate must be for; undefined for the endpoint's host. */
  readonly serverName: string | undefined;
  /** Whether to trust the system's authorities in addition to `ca`. */
  readonly trustsSystem: boolean;
  /** OpenSSL's cipher list. */
  readonly ciphers: string;
  /** OpenSSL's groups for the key agreement; "auto" for OpenSSL's own choice. */
  readonly groups: string;
  /**
   * How often the files of `ca`, `cert` and `key` are read again, in milliseconds; 0 for only when the configuration is
   * reloaded.
   */
  readonly reloadIntervalMs: number;
}

const path = (what: string) => z.string().min(1).optional().describe(`${what}, as a path`);
const pem = (what: string) => z.string().min(1).optional().describe(`${what}, in PEM`);
/** The option `tls::reload_interval` of clients and listeners, in milliseconds. */
export const reloadInterval = (): z.ZodType<number, string | 0 | undefined> =>
  duration()
    .prefault("0s")
    .describe("How often the files are read again; 0s for only when the configuration is reloaded");
const version = z.enum(["1.2", "1.3"], {
  error: 'must be "1.2" or "1.3"; older versions of TLS are not safe',
});

/** The option `tls` of a client. */
export const clientTlsSchema: z.ZodType<ClientTlsConfig> = z
  .strictObject({
    insecure: z
      .boolean()
      .default(false)
      .describe("Send in the clear, unless the endpoint begins with https://"),
    insecure_skip_verify: z.boolean().default(false).describe("Use TLS, but accept any certificate"),
    ca_file: path("Certificates to trust instead of the system's"),
    ca_pem: pem("Certificates to trust instead of the system's"),
    cert_file: path("The client's certificate"),
    cert_pem: pem("The client's certificate"),
    key_file: path("The client's key"),
    key_pem: secret().optional().describe("The client's key, in PEM"),
    min_version: version.default("1.2").describe("The lowest version of TLS"),
    max_version: version.optional().describe("The highest version of TLS"),
    server_name_override: z
      .string()
      .min(1)
      .optional()
      .describe("The name that the server's certificate must be for"),
    include_system_ca_certs_pool: z
      .boolean()
      .default(false)
      .describe("Trust the system's certificates in addition to those of ca_file or ca_pem"),
    cipher_suites: cipherSuites.optional(),
    reload_interval: reloadInterval(),
    curve_preferences: curvePreferences.optional(),
    tpm: unsupported("give the key as a file"),
  })
  .superRefine((tls, context) => {
    const fault = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: tls });
    for (const name of ["ca", "cert", "key"] as const) {
      if (tls[`${name}_file`] !== undefined && tls[`${name}_pem`] !== undefined)
        fault(`${name}_pem`, `cannot be given together with ${name}_file`);
    }
    const hasCert = (tls.cert_file ?? tls.cert_pem) !== undefined;
    const hasKey = (tls.key_file ?? tls.key_pem) !== undefined;
    if (hasCert && !hasKey) fault("cert_file", "needs key_file or key_pem as well");
    if (hasKey && !hasCert) fault("key_file", "needs cert_file or cert_pem as well");
    if (tls.max_version !== undefined && tls.max_version < tls.min_version)
      fault("max_version", "must not be below min_version");
  })
  .transform((tls) => ({
    insecure: tls.insecure,
    insecureSkipVerify: tls.insecure_skip_verify,
    ca: pemSource("ca", tls.ca_file, tls.ca_pem),
    cert: pemSource("cert", tls.cert_file, tls.cert_pem),
    key: pemSource("key", tls.key_file, tls.key_pem),
    minVersion: `TLSv${tls.min_version}` as const,
    maxVersion: tls.max_version === undefined ? undefined : (`TLSv${tls.max_version}` as const),
    serverName: tls.server_name_override,
    trustsSystem: tls.include_system_ca_certs_pool,
    ciphers: openSslCiphers(tls.cipher_suites),
    groups: openSslGroups(tls.curve_preferences),
    reloadIntervalMs: tls.reload_interval,
  }));

function pemSource(
  name: "ca" | "cert" | "key",
  path: string | undefined,
  text: string | undefined,
): PemSource | undefined {
  if (path !== undefined) return { option: `${name}_file`, from: { path } };
  return text === undefined ? undefined : { option: `${name}_pem`, from: { text } };
}
