// SPDX-License-Identifier: Apache-2.0
import type { Extension, Settings } from "../component/component.ts";
import type { ClientAuthenticator, ServerAuthenticator } from "./authenticator.ts";
import { CLIENT_AUTHENTICATORS, SERVER_AUTHENTICATORS } from "./authenticator.ts";
import type { CredentialTexts } from "./credential_texts.ts";

/** The sides that an authenticator has. */
export interface AuthenticatorSides {
  /** Gives exporters' requests their credentials. */
  readonly client?: ClientAuthenticator;
  /** Asks listeners' requests for theirs. */
  readonly server?: ServerAuthenticator;
}

/** The extension that offers an authenticator while it runs, and keeps the files that the credentials are in. */
export function authenticatorExtension(
  settings: Settings,
  texts: CredentialTexts<string>,
  { client, server }: AuthenticatorSides,
): Extension {
  const { host, id } = settings;
  const offers: (() => void)[] = [];
  return {
    async start() {
      await texts.start();
      if (client !== undefined) offers.push(host.single(CLIENT_AUTHENTICATORS).add(id, client));
      if (server !== undefined) offers.push(host.single(SERVER_AUTHENTICATORS).add(id, server));
    },
    refresh: () => texts.refresh(),
    async shutdown() {
      for (const withdraw of offers.splice(0)) withdraw();
      await texts.close();
    },
  };
}
