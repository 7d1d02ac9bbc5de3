import { readFile } from "node:fs/promises";
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
} from "node:tls";
import type { ClientTlsConfig } from "./client_config.ts";

/** Reads what the options name. Rejects, naming the option, where a file or its content is no good. */
export async function loadClientContext(tls: ClientTlsConfig): Promise<SecureContext> {
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
    return createSecureContext(options);
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
