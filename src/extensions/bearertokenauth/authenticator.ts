// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, ServerAuthenticator } from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import { rejectHeaderText } from "../../auth/header_text.ts";
import { isAmong, keyedHash } from "../../auth/keyed_hash.ts";
import type { Extension, Settings } from "../../component/component.ts";

export interface BearerTokenConfig {
  /** The first one is sent, and each is taken; printable ASCII. Empty where there is a file. */
  readonly tokens: readonly string[];
  /** Has a token on each line. */
  readonly filename: string | undefined;
  readonly scheme: string;
  /** In lower case. */
  readonly header: string;
}

export function createBearerTokenAuth(config: BearerTokenConfig, settings: Settings): Extension {
  const { tokens, filename, scheme, header } = config;
  const given = tokens.length === 0 ? undefined : tokens.join("\n");
  const texts = new CredentialTexts(
    {
      token: {
        option: "filename",
        text: given,
        file: filename,
        reject: (text) => rejectHeaderText(linesOf(text)[0] ?? ""),
      },
    },
    { settings },
  );
  const value = (): string => (scheme === "" ? "" : `${scheme} `) + (linesOf(texts.get("token"))[0] ?? "");
  const client: ClientAuthenticator = {
    refusal: () => undefined,
    authenticate: async ({ headers }) => ({ ...headers, [header]: value() }),
    async renew(refused) {
      await texts.readAgain();
      return refused[header] !== value();
    },
  };
  return authenticatorExtension(settings, texts, {
    client,
    server: serverSide(config, () => texts.get("token")),
  });
}

/** Without blank lines: an empty token would let in whoever sends none. */
function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function serverSide({ scheme, header }: BearerTokenConfig, text: () => string): ServerAuthenticator {
  let known: { readonly text: string; readonly hashes: readonly Buffer[] } = { text: "", hashes: [] };
  const hashes = (): readonly Buffer[] => {
    const now = text();
    // Hashed when they change: a file may hold many, and a flood of requests is to cost little.
    if (now !== known.text) known = { text: now, hashes: linesOf(now).map((token) => keyedHash(token)) };
    return known.hashes;
  };
  return {
    challenge: challengeOf(scheme, header),
    async check({ headers }) {
      const value = headers[header];
      const token = typeof value === "string" ? tokenOf(value, scheme) : undefined;
      return token !== undefined && isAmong(keyedHash(token), hashes()) ? "accepted" : "refused";
    },
  };
}

/** The token in the value of a header; undefined where it is not by this scheme, whose case does not matter (RFC 9110). */
function tokenOf(value: string, scheme: string): string | undefined {
  if (scheme === "") return value;
  const isOfScheme = value.slice(0, scheme.length + 1).toLowerCase() === `${scheme} `.toLowerCase();
  return isOfScheme ? value.slice(scheme.length + 1).trim() : undefined;
}

/** A challenge begins with a scheme; a token without one has none, and the header's name says at least where it goes. */
function challengeOf(scheme: string, header: string): string {
  const name = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(scheme) ? scheme : header;
  return `${name} realm="kata-collector"`;
}
