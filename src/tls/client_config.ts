// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration, secret, unsupported } from "../options/values.ts";
import { type CipherName, type CurveName, cipherSuites, curvePreferences } from "./ciphers.ts";

/** The Collector's client TLS options (`configtls`), as far as this build has them. */
export interface ClientTlsConfig {
  readonly insecure: boolean;
  readonly insecure_skip_verify: boolean;
  readonly ca_file?: string | undefined;
  readonly ca_pem?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly cert_pem?: string | undefined;
  readonly key_file?: string | undefined;
  readonly key_pem?: string | undefined;
  readonly min_version: "1.2" | "1.3";
  readonly max_version?: "1.2" | "1.3" | undefined;
  readonly server_name_override?: string | undefined;
  readonly include_system_ca_certs_pool: boolean;
  readonly cipher_suites?: readonly CipherName[] | undefined;
  readonly curve_preferences?: readonly CurveName[] | undefined;
  /** Milliseconds; 0 for never. */
  readonly reload_interval: number;
}

const path = (what: string) => z.string().min(1).optional().describe(`${what}, as a path`);
const pem = (what: string) => z.string().min(1).optional().describe(`${what}, in PEM`);
/** `tls::reload_interval`, of clients and of listeners. */
export const reloadInterval = (): z.ZodType<number, string | 0 | undefined> =>
  duration()
    .prefault("0s")
    .describe("How often the files are read again; 0s for only when the configuration is reloaded");
const version = z.enum(["1.2", "1.3"], {
  error: 'must be "1.2" or "1.3"; older versions of TLS are not safe',
});

export const clientTlsSchema: z.ZodType<ClientTlsConfig> = z
  .strictObject({
    insecure: z.boolean().default(false).describe("Send in the clear; https:// in the endpoint overrules it"),
    insecure_skip_verify: z.boolean().default(false).describe("Use TLS, but believe any certificate"),
    ca_file: path("Certificates to trust in place of the system's"),
    ca_pem: pem("Certificates to trust in place of the system's"),
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
      .describe("Trust the system's certificates as well as those of ca_file or ca_pem"),
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
  });
