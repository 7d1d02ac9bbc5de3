// SPDX-License-Identifier: Apache-2.0
import type { SecureContextOptions, SecureVersion } from "node:tls";
import { type CertificateOwner, Certificates } from "../tls/certificates.ts";

/** The listener's certificate, as the Collector's `configtls` names it. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** With it, clients must show a certificate that one of these authorities signed. */
  readonly clientCaFile: string | undefined;
  readonly minVersion: SecureVersion;
  /** OpenSSL's cipher list. */
  readonly ciphers: string;
  /** OpenSSL's groups for the key agreement; "auto" for its own. */
  readonly groups: string;
  /** How often the files are read again, in milliseconds; 0 for never. */
  readonly reloadIntervalMs: number;
}

/**
 * The certificates of a listener. `use` gets what connections to come are secured with when they are loaded, and again
 * whenever they have changed.
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
