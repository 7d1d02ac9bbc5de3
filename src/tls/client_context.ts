// SPDX-License-Identifier: Apache-2.0
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
} from "node:tls";
import { messageOf } from "../text/error_text.ts";
import { type CertificateOwner, Certificates } from "./certificates.ts";
import type { ClientTlsConfig } from "./client_config.ts";
import type { KeyMaterial } from "./key_material.ts";

/**
 * Makes the certificates of a client; the caller loads and closes them. `use` is called with a context for new
 * connections when the files are loaded, and again whenever they have changed.
 */
export function clientCertificates(
  tls: ClientTlsConfig,
  owner: CertificateOwner,
  use: (context: SecureContext) => void,
): Certificates {
  return new Certificates({
    owner,
    sources: { ca: tls.ca, cert: tls.cert, key: tls.key },
    reloadIntervalMs: tls.reloadIntervalMs,
    use: (material) => use(createContext(tls, material)),
  });
}

function createContext(tls: ClientTlsConfig, { ca, cert, key }: KeyMaterial): SecureContext {
  const options: SecureContextOptions = {
    minVersion: tls.minVersion,
    ...(tls.maxVersion === undefined ? {} : { maxVersion: tls.maxVersion }),
    ciphers: tls.ciphers,
    ecdhCurve: tls.groups,
    ca: trusted(ca, tls.trustsSystem),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  try {
    return createSecureContext(options);
  } catch (error) {
    const cause = messageOf(error);
    throw new Error(`cannot use the certificates or key of tls: ${cause}`, { cause: error });
  }
}

/**
 * Returns the certificates to trust. If the system has none, as in a minimal image, those that Node contains replace
 * the system's.
 */
function trusted(own: string | undefined, withSystem: boolean): string[] {
  if (own !== undefined && !withSystem) return [own];
  const system = getCACertificates("system");
  const pool = system.length > 0 ? system : getCACertificates("bundled");
  return own === undefined ? pool : [own, ...pool];
}
