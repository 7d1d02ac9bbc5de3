// SPDX-License-Identifier: Apache-2.0

import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
} from "node:tls";
import { messageOf } from "../text/error_text.ts";
import { type CertificateOwner, Certificates } from "./certificates.ts";
import { openSslCiphers, openSslGroups } from "./ciphers.ts";
import type { ClientTlsConfig } from "./client_config.ts";
import type { KeyMaterial, PemSource } from "./key_material.ts";

/**
 * The certificates of a client, which its options name. `use` gets a context for connections to come when they are
 * loaded, and again whenever they have changed.
 */
export function clientCertificates(
  tls: ClientTlsConfig,
  owner: CertificateOwner,
  use: (context: SecureContext) => void,
): Certificates {
  return new Certificates({
    owner,
    sources: {
      ca: sourceOf(tls, "ca"),
      cert: sourceOf(tls, "cert"),
      key: sourceOf(tls, "key"),
    },
    reloadIntervalMs: tls.reload_interval,
    use: (material) => use(createContext(tls, material)),
  });
}

function sourceOf(tls: ClientTlsConfig, name: "ca" | "cert" | "key"): PemSource | undefined {
  const path = tls[`${name}_file`];
  if (path !== undefined) return { option: `${name}_file`, from: { path } };
  const text = tls[`${name}_pem`];
  return text === undefined ? undefined : { option: `${name}_pem`, from: { text } };
}

function createContext(tls: ClientTlsConfig, { ca, cert, key }: KeyMaterial): SecureContext {
  const options: SecureContextOptions = {
    minVersion: `TLSv${tls.min_version}`,
    ...(tls.max_version === undefined ? {} : { maxVersion: `TLSv${tls.max_version}` as const }),
    ciphers: openSslCiphers(tls.cipher_suites),
    ecdhCurve: openSslGroups(tls.curve_preferences),
    ca: trusted(ca, tls.include_system_ca_certs_pool),
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

/** The system's certificates; in an image that has none, those that Node brings. */
function trusted(own: string | undefined, withSystem: boolean): string[] {
  if (own !== undefined && !withSystem) return [own];
  const system = getCACertificates("system");
  const pool = system.length > 0 ? system : getCACertificates("bundled");
  return own === undefined ? pool : [own, ...pool];
}
