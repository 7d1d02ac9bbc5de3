// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator } from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import type { Extension, Settings } from "../../component/component.ts";

/** The name and password to send. Each is a text or a file; the file is preferred. */
export interface ClientAuthConfig {
  readonly username: string | undefined;
  readonly usernameFile: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
}

/** Makes the extension that adds a name and a password to exporters' requests. */
export function createBasicAuthClient(config: ClientAuthConfig, settings: Settings): Extension {
  const texts = new CredentialTexts(
    {
      username: {
        option: "client_auth::username_file",
        text: config.username,
        file: config.usernameFile,
        reject: (text) => (text.includes(":") ? "it holds a colon, which ends a username" : undefined),
      },
      password: { option: "client_auth::password_file", text: config.password, file: config.passwordFile },
    },
    { settings },
  );
  const authorization = (): string => basicAuthorization(texts.get("username"), texts.get("password"));
  const client: ClientAuthenticator = {
    refusal: () => undefined,
    authenticate: async ({ headers }) => ({ ...headers, authorization: authorization() }),
    async renew(refused) {
      await texts.readAgain();
      return refused["authorization"] !== authorization();
    },
  };
  return authenticatorExtension(settings, texts, { client });
}

/** Returns the value of the header Authorization (RFC 7617), in UTF-8. */
function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
