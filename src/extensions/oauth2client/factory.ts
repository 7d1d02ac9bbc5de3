// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionFactory } from "../../component/factory.ts";
import { pushUrl } from "../../http_client/url.ts";
import { duration, secret, unsupported } from "../../options/values.ts";
import { clientTlsSchema } from "../../tls/client_config.ts";
import { createOauth2Client, type Oauth2ClientConfig } from "./authenticator.ts";

const file = (what: string) =>
  z.string().min(1).optional().describe(`A file that holds it, instead of ${what}`);
const param = z.union([secret(), z.array(secret())], { error: "must be a text, or a list of texts" });
const jwt = unsupported("tokens are asked for with the client's id and secret only");

const options = z.strictObject({
  client_id: z.string().min(1).optional(),
  client_id_file: file("client_id"),
  client_secret: secret().optional(),
  client_secret_file: file("client_secret"),
  token_url: pushUrl().describe("The URL of the token endpoint"),
  scopes: z.array(z.string().min(1)).default([]),
  endpoint_params: z
    .record(z.string().min(1), param)
    .default({})
    .describe("Sent with each request for a token, such as audience"),
  timeout: duration().prefault("10s").describe("Deadline of one request for a token; 0s for none"),
  tls: clientTlsSchema.prefault({}).describe("How to secure the connection, where token_url is https://"),
  expiry_buffer: duration()
    .prefault("5m")
    .describe("How long before its end a token is replaced; at most half of its lifetime"),
  grant_type: z.literal("client_credentials", "only client_credentials is supported").optional(),
  audience: jwt,
  claims: jwt,
  client_certificate_key: jwt,
  client_certificate_key_file: jwt,
  client_certificate_key_id: jwt,
  iss: jwt,
  signature_algorithm: jwt,
});

const schema: z.ZodType<Oauth2ClientConfig> = options
  .superRefine((config, context) => {
    const fault = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: config });
    if ((config.client_id ?? config.client_id_file) === undefined)
      fault("client_id", "is required, or client_id_file");
    if ((config.client_secret ?? config.client_secret_file) === undefined)
      fault("client_secret", "is required, or client_secret_file");
  })
  .transform((config) => ({
    clientId: { text: config.client_id, file: config.client_id_file },
    clientSecret: { text: config.client_secret, file: config.client_secret_file },
    tokenUrl: config.token_url,
    scopes: config.scopes,
    endpointParams: config.endpoint_params,
    timeoutMs: config.timeout,
    tls: config.tls,
    expiryBufferMs: config.expiry_buffer,
  }));

/** Adds to requests a token that an OAuth 2.0 server grants to the agent itself (RFC 6749, section 4.4). */
export const factory: ExtensionFactory<Oauth2ClientConfig> = {
  stability: "beta",
  schema,
  roles: () => ["http_authenticator", "grpc_authenticator"],
  create: createOauth2Client,
};
