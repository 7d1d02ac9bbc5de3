import type { ClientAuthenticator } from "../component/authenticator.ts";
import type { Extension, Settings } from "../component/component.ts";
import type { CredentialTexts } from "./credential_texts.ts";

/** The extension that offers an authenticator while it runs, and keeps the files that the credentials are in. */
export function authenticatorExtension(
  settings: Settings,
  texts: CredentialTexts<string>,
  authenticator: ClientAuthenticator,
): Extension {
  let withdraw = (): void => {};
  return {
    async start() {
      await texts.start();
      withdraw = settings.host.authenticators.add(settings.id, authenticator);
    },
    refresh: () => texts.refresh(),
    async shutdown() {
      withdraw();
      await texts.close();
    },
  };
}
