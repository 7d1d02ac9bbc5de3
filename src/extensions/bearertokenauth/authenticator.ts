import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import { rejectHeaderText } from "../../auth/header_text.ts";
import type { Extension, Settings } from "../../component/component.ts";

export interface BearerTokenConfig {
  readonly token: string | undefined;
  /** In place of the token. */
  readonly filename: string | undefined;
  readonly scheme: string;
  /** In lower case. */
  readonly header: string;
}

export function createBearerTokenAuth(config: BearerTokenConfig, settings: Settings): Extension {
  const { token, filename, scheme, header } = config;
  const texts = new CredentialTexts(
    {
      token: {
        option: "filename",
        text: token,
        file: filename,
        reject: rejectHeaderText,
        firstLineOnly: true,
      },
    },
    { settings },
  );
  const value = (): string => (scheme === "" ? "" : `${scheme} `) + texts.get("token");
  return authenticatorExtension(settings, texts, {
    refusal: () => undefined,
    authenticate: async ({ headers }) => ({ ...headers, [header]: value() }),
    async renew(refused) {
      await texts.look();
      return refused[header] !== value();
    },
  });
}
