// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readSteadyFile } from "../files/read_file.ts";
import { messageOf } from "../text/error_text.ts";

/** The source of a text in PEM: an option that holds the text, or one that names a file. */
export interface PemSource {
  /** The option's name in the config, such as `cert_file`. */
  readonly option: string;
  readonly from: { readonly path: string } | { readonly text: string };
}

/** The sources of certificates and a key; undefined if the config gives none. */
export interface KeySources {
  /** The authorities that are trusted. */
  readonly ca: PemSource | undefined;
  /** The component's own certificate, followed by its chain. */
  readonly cert: PemSource | undefined;
  /** The key of the certificate. */
  readonly key: PemSource | undefined;
}

/**
 * The texts of all sources, read at one time and checked: every certificate is complete, and the key belongs to `cert`.
 */
export interface KeyMaterial {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The first certificate of `ca` and of `cert`, whose expiry is reported. */
  readonly leading: readonly LeadingCertificate[];
}

/** The first certificate of a source. */
export interface LeadingCertificate {
  /** The file's path, or the option's name if the text is in the config. */
  readonly file: string;
  readonly expiresMs: number;
}

interface Pem {
  readonly source: PemSource;
  readonly text: string;
}

/**
 * Reads the sources and checks the texts, since OpenSSL reports no error for a file of authorities that is cut off or
 * empty. Rejects with an error that names the option and the file. An expired certificate is accepted.
 */
export async function readKeyMaterial({ ca, cert, key }: KeySources): Promise<KeyMaterial> {
  const [caPem, certPem, keyPem] = await Promise.all([read(ca), read(cert), read(key)]);
  const leading: LeadingCertificate[] = [];
  if (caPem !== undefined) leading.push(leadingOf(caPem.source, firstCertificate(caPem)));
  if (certPem !== undefined) {
    const certificate = firstCertificate(certPem);
    leading.push(leadingOf(certPem.source, certificate));
    if (keyPem !== undefined && !certificate.checkPrivateKey(privateKey(keyPem)))
      throw unusable(
        keyPem.source,
        `it is not the key of ${describe(certPem.source)}; where the two are being exchanged, the other one follows`,
      );
  }
  return { ca: caPem?.text, cert: certPem?.text, key: keyPem?.text, leading };
}

/** Returns whether two reads gave the same texts. */
export function isSameMaterial(one: KeyMaterial, other: KeyMaterial): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key;
}

async function read(source: PemSource | undefined): Promise<Pem | undefined> {
  if (source === undefined) return undefined;
  if ("text" in source.from) return { source, text: source.from.text };
  try {
    return { source, text: Buffer.from(await readSteadyFile(source.from.path)).toString() };
  } catch (error) {
    throw new Error(`cannot read ${describe(source)}: ${messageOf(error)}`, { cause: error });
  }
}

/** Matches a complete PEM block. Its headers may contain hyphens. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*(?:-(?!----)[^-]*)*-----END \1-----/g;
const CERTIFICATE = /^-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;

/** Returns the first certificate. Throws if the text has none, or if any certificate in it is broken. */
function firstCertificate({ source, text }: Pem): X509Certificate {
  const blocks = text.match(BLOCK) ?? [];
  const certificates = blocks
    .filter((block) => CERTIFICATE.test(block))
    .map((block, index) => {
      try {
        return new X509Certificate(block);
      } catch (error) {
        throw unusable(source, `certificate ${index + 1} in it is broken: ${messageOf(error)}`);
      }
    });
  if (text.replace(BLOCK, "").includes("-----BEGIN ")) throw unusable(source, "it is cut off");
  const [first] = certificates;
  if (first === undefined) throw unusable(source, "there is no certificate in it");
  return first;
}

function privateKey({ source, text }: Pem): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw unusable(source, `there is no key in it that can be read: ${messageOf(error)}`);
  }
}

function leadingOf({ option, from }: PemSource, { validToDate }: X509Certificate): LeadingCertificate {
  return { file: "path" in from ? from.path : option, expiresMs: validToDate.getTime() };
}

function describe({ option, from }: PemSource): string {
  return "path" in from ? `tls::${option} "${from.path}"` : `tls::${option}`;
}

function unusable(source: PemSource, why: string): Error {
  return new Error(`cannot use ${describe(source)}: ${why}`);
}
