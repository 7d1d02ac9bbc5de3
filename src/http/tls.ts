import { readFile } from "node:fs/promises";
import type { SecureContextOptions, SecureVersion } from "node:tls";

/** The listener's certificate, as the Collector's `configtls` names it. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** With it, clients must show a certificate that one of these authorities signed. */
  readonly clientCaFile: string | undefined;
  readonly minVersion: SecureVersion;
  /** OpenSSL's names, for versions up to 1.2; undefined for Node's choice. */
  readonly ciphers: readonly string[] | undefined;
  /** How often the files are read again, in milliseconds; 0 for never. */
  readonly reloadIntervalMs: number;
}

/** Reads the files. Rejects with the name of the one that cannot be read. */
export async function loadTls(config: TlsConfig): Promise<SecureContextOptions> {
  const [cert, key, ca] = await Promise.all([
    read(config.certFile),
    read(config.keyFile),
    config.clientCaFile === undefined ? undefined : read(config.clientCaFile),
  ]);
  const { minVersion, ciphers } = config;
  return {
    cert,
    key,
    minVersion,
    ...(ca === undefined ? {} : { ca }),
    ...(ciphers === undefined ? {} : { ciphers: ciphers.join(":") }),
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot read "${path}": ${cause}`, { cause: error });
  }
}
