// SPDX-License-Identifier: Apache-2.0
import {
  CLIENT_AUTHENTICATORS,
  type ClientAuthenticator,
  type RequestHeaders,
  type RequestKind,
} from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import { rejectHeaderText } from "../../auth/header_text.ts";
import { offeredAuthenticator } from "../../auth/offered.ts";
import type { Extension, Settings } from "../../component/component.ts";
import type { Host } from "../../component/host.ts";
import { messageOf } from "../../text/error_text.ts";

/** A rule for one header. */
export interface HeaderRule {
  /** The header's name in lower case. */
  readonly key: string;
  readonly action: "insert" | "update" | "upsert" | "delete";
  readonly value: string | undefined;
  /** The path of a file with the value, which replaces `value`. */
  readonly valueFile: string | undefined;
}

/** The rules for headers, and another authenticator to use with them. */
export interface HeadersSetterConfig {
  /** The rules, which are applied in their order. */
  readonly headers: readonly HeaderRule[];
  /** The id of another authenticator, which adds its headers after the rules; undefined for none. */
  readonly additionalAuth: string | undefined;
}

/** Makes the extension that sets headers of requests. */
export function createHeadersSetter(config: HeadersSetterConfig, settings: Settings): Extension {
  const { headers: rules, additionalAuth } = config;
  const sources = rules.map(({ value, valueFile }, index) => [
    String(index),
    { option: `headers::${index}::value_file`, text: value, file: valueFile, reject: rejectHeaderText },
  ]);
  const texts = new CredentialTexts<string>(Object.fromEntries(sources), {
    settings,
  });
  const textOf = (index: number): string => texts.get(String(index));
  // The extension `additionalAuth` may start later than this one, so it is looked up at each request.
  const next = (): ClientAuthenticator | undefined =>
    additionalAuth === undefined
      ? undefined
      : settings.host.single(CLIENT_AUTHENTICATORS).get(additionalAuth);
  const client: ClientAuthenticator = {
    refusal: (kind) => refusalOf(settings.host, additionalAuth, kind),
    async authenticate(request) {
      const headers = withRules(request.headers, rules, textOf);
      if (additionalAuth === undefined) return headers;
      const additional = next();
      // While a reload exchanges that extension, a request must not go out without its credentials.
      if (additional === undefined)
        throw new Error(`additional_auth: extension "${additionalAuth}" does not run now`);
      return await additional.authenticate({ ...request, headers });
    },
    async renew(refused) {
      await texts.readAgain();
      const isOther = rules.some(
        ({ key, action }, index) => action !== "delete" && refused[key] !== textOf(index),
      );
      return (await next()?.renew(refused)) === true || isOther;
    },
  };
  return authenticatorExtension(settings, texts, { client });
}

function refusalOf(host: Host, additionalAuth: string | undefined, kind: RequestKind): string | undefined {
  try {
    offeredAuthenticator(host, additionalAuth, kind);
    return undefined;
  } catch (error) {
    return `additional_auth: ${messageOf(error)}`;
  }
}

function withRules(
  before: RequestHeaders,
  rules: readonly HeaderRule[],
  textOf: (index: number) => string,
): RequestHeaders {
  const headers = new Map(Object.entries(before));
  for (const [index, { key, action }] of rules.entries()) {
    if (action === "delete") headers.delete(key);
    else if (action === "upsert" || headers.has(key) === (action === "update"))
      headers.set(key, textOf(index));
  }
  return Object.fromEntries(headers);
}
