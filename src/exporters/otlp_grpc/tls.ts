import { readFile } from "node:fs/promises";
import { createSecureContext, getCACertificates, type SecureContextOptions } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { z } from "zod";
import { secret } from "../../config/values.ts";
import { unsupported } from "../../delivery/config.ts";

/** The Collector's client TLS options, as far as this build has them. */
export interface TlsConfig {
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
}

const path = (what: string) => z.string().min(1).optional().describe(`${what}, as a path; read at start`);
const pem = (what: string) => z.string().min(1).optional().describe(`${what}, in PEM`);
const version = z.enum(["1.2", "1.3"], {
  error: 'must be "1.2" or "1.3"; older versions of TLS are not safe',
});

export const tlsSchema: z.ZodType<TlsConfig> = z
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
    reload_interval: unsupported("certificates are read at start"),
    cipher_suites: unsupported("Node's are used"),
    curve_preferences: unsupported("Node's are used"),
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

/** Reads what the options name. Rejects, naming the option, where a file or its content is no good. */
export async function loadCredentials(tls: TlsConfig): Promise<ChannelCredentials> {
  const [ca, cert, key] = await Promise.all([
    load("ca_file", tls.ca_file, tls.ca_pem),
    load("cert_file", tls.cert_file, tls.cert_pem),
    load("key_file", tls.key_file, tls.key_pem),
  ]);
  const options: SecureContextOptions = {
    minVersion: `TLSv${tls.min_version}`,
    ...(tls.max_version === undefined ? {} : { maxVersion: `TLSv${tls.max_version}` as const }),
    ca: trusted(ca, tls.include_system_ca_certs_pool),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  try {
    const context = createSecureContext(options);
    return credentials.createFromSecureContext(context, { rejectUnauthorized: !tls.insecure_skip_verify });
  } catch (error) {
    throw new Error(`cannot use the certificates or key of tls: ${messageOf(error)}`, { cause: error });
  }
}

async function load(
  key: string,
  file: string | undefined,
  text: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) return text;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Error(`cannot read tls::${key}: ${messageOf(error)}`, { cause: error });
  }
}

/** The system's certificates; in an image that has none, those that Node brings. */
function trusted(own: string | undefined, withSystem: boolean): string[] {
  if (own !== undefined && !withSystem) return [own];
  const system = getCACertificates("system");
  const pool = system.length > 0 ? system : getCACertificates("bundled");
  return own === undefined ? pool : [own, ...pool];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
