// SPDX-License-Identifier: Apache-2.0
import type { Extension, Settings } from "../component/component.ts";
import {
  CLIENT_AUTHENTICATORS,
  type ClientAuthenticator,
  SERVER_AUTHENTICATORS,
  type ServerAuthenticator,
} from "./authenticator.ts";
import type { CredentialTexts } from "./credential_texts.ts";

/** The two sides of an authenticator. An extension may have only one of them. */
export interface AuthenticatorSides {
  /** Adds credentials to exporters' requests. */
  readonly client?: ClientAuthenticator;
  /** Checks the credentials of listeners' requests. */
  readonly server?: ServerAuthenticator;
}

/** Makes an extension that offers the given sides while it runs, and that reads and watches the files of `texts`. */
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
