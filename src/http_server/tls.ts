// SPDX-License-Identifier: Apache-2.0
import type { SecureContextOptions, SecureVersion } from "node:tls";
import { type CertificateOwner, Certificates } from "../tls/certificates.ts";

/** The certificate of a listener and how it uses TLS: the Collector's server options of `configtls`. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** A file of authorities: clients must show a certificate that one of them signed. Undefined where they need none. */
  readonly clientCaFile: string | undefined;
  readonly minVersion: SecureVersion;
  /** OpenSSL's cipher list. */
  readonly ciphers: string;
  /** OpenSSL's groups for the key agreement; "auto" for OpenSSL's own choice. */
  readonly groups: string;
  /** How often the files are read again, in milliseconds; 0 for only when the configuration is reloaded. */
  readonly reloadIntervalMs: number;
}

/**
 * Makes the certificates of a listener; the caller loads and closes them. `use` is called with the options for new connections
 * when the files are loaded, and again whenever they have changed.
 */
export function serverCertificates(
  tls: TlsConfig,
  owner: CertificateOwner,
  use: (options: SecureContextOptions) => void,
): Certificates {
  const { certFile, keyFile, clientCaFile, minVersion, ciphers, groups, reloadIntervalMs } = tls;
  return new Certificates({
    owner,
    sources: {
      ca: clientCaFile === undefined ? undefined : { option: "client_ca_file", from: { path: clientCaFile } },
      cert: { option: "cert_file", from: { path: certFile } },
      key: { option: "key_file", from: { path: keyFile } },
    },
    reloadIntervalMs,
    use: ({ ca, cert, key }) =>
      use({
        minVersion,
        ciphers,
        ecdhCurve: groups,
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(ca === undefined ? {} : { ca }),
      }),
  });
}
