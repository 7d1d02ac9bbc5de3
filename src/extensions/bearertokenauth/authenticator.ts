// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, ServerAuthenticator } from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import { rejectHeaderText } from "../../auth/header_text.ts";
import { isAmong, keyedHash } from "../../auth/keyed_hash.ts";
import type { Extension, Settings } from "../../component/component.ts";

/** The tokens and the header that carries them. */
export interface BearerTokenConfig {
  /** The tokens, in printable ASCII. The first one is sent, and each one is accepted. Empty if there is a file. */
  readonly tokens: readonly string[];
  /** A file with a token on each line. */
  readonly filename: string | undefined;
  /** The text before the token; empty for none. */
  readonly scheme: string;
  /** The header's name in lower case. */
  readonly header: string;
}

/** Makes the extension that sends and checks tokens. */
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

/** Returns the lines that are not blank. An empty token would accept requests that send none. */
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
    // The tokens are hashed once per change: a file may have many tokens, and a flood of requests must cost little.
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

/**
 * Returns the token in a header's value; undefined if it has another scheme. The scheme's case is ignored (RFC
 * 9110).
 */
function tokenOf(value: string, scheme: string): string | undefined {
  if (scheme === "") return value;
  const isOfScheme = value.slice(0, scheme.length + 1).toLowerCase() === `${scheme} `.toLowerCase();
  return isOfScheme ? value.slice(scheme.length + 1).trim() : undefined;
}

/**
 * Returns the value of WWW-Authenticate, which must begin with a scheme. If the configured scheme is empty or cannot
 * be one, the header's name replaces it.
 */
function challengeOf(scheme: string, header: string): string {
  const name = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(scheme) ? scheme : header;
  return `${name} realm="kata-collector"`;
}
