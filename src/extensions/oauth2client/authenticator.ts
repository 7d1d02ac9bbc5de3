// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator } from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import type { Extension, Settings } from "../../component/component.ts";
import { formatUrl, type PushUrl } from "../../http_client/url.ts";
import type { ClientTlsConfig } from "../../tls/client_config.ts";
import { TokenCache } from "./token_cache.ts";
import { TokenClient } from "./token_client.ts";
import { TokenGrant } from "./token_grant.ts";

interface TextOrFile {
  readonly text: string | undefined;
  /** The path of a file with the text. The file is preferred to `text`. */
  readonly file: string | undefined;
}

/** The client, the token endpoint, and the tokens that the client asks for. */
export interface Oauth2ClientConfig {
  readonly clientId: TextOrFile;
  readonly clientSecret: TextOrFile;
  readonly tokenUrl: PushUrl;
  readonly scopes: readonly string[];
  readonly endpointParams: Readonly<Record<string, string | readonly string[]>>;
  /** The deadline of one request for a token; 0 for none. */
  readonly timeoutMs: number;
  readonly tls: ClientTlsConfig;
  /** How long before its end a token is replaced. */
  readonly expiryBufferMs: number;
}

/** Makes the extension that adds a token of an OAuth 2.0 server to exporters' requests. */
export function createOauth2Client(config: Oauth2ClientConfig, settings: Settings): Extension {
  const texts = new CredentialTexts(
    {
      id: { option: "client_id_file", ...config.clientId },
      secret: { option: "client_secret_file", ...config.clientSecret },
    },
    { settings, onChange: () => cache.forgetFailure() },
  );
  const client = new TokenClient({ ...config, url: config.tokenUrl, settings });
  const grant = new TokenGrant({
    ...config,
    url: formatUrl(config.tokenUrl),
    credentials: () => ({ id: texts.get("id"), secret: texts.get("secret") }),
    post: (form, headers) => client.post(form, headers),
  });
  const cache = new TokenCache({
    ...config,
    clock: settings.clock,
    fetchToken: () => grant.fetch(),
    onFetched: (error) => reportFetch(settings, error),
  });
  return withClient(authenticatorExtension(settings, texts, { client: authenticatorOf(cache) }), client);
}

/**
 * Reports how a fetch of a token ended. A failure is a recoverable error, since the old token may still be valid.
 * Exporters report the requests that are not sent.
 */
function reportFetch({ host, id, logger }: Settings, error: string | undefined): void {
  const state = error === undefined ? "ok" : "recoverable_error";
  const before = host.statuses.components().find((one) => one.kind === "extension" && one.id === id);
  host.statuses.report("extension", id, state, error);
  if (error !== undefined && before?.error !== error) logger.warn({ error }, "Token cannot be fetched.");
}

function authenticatorOf(cache: TokenCache): ClientAuthenticator {
  return {
    refusal: () => undefined,
    authenticate: async ({ headers }) => ({ ...headers, authorization: await cache.authorization() }),
    renew: async ({ authorization }) => cache.refuse(authorization),
  };
}

/** Makes the extension load the client's certificates at its start, and close the client at its end. */
function withClient(extension: Extension, client: TokenClient): Extension {
  return {
    async start() {
      await client.load();
      await extension.start();
    },
    async refresh() {
      await Promise.all([client.load(), extension.refresh?.()]);
    },
    async shutdown(deadline) {
      await extension.shutdown(deadline);
      client.close();
    },
  };
}
