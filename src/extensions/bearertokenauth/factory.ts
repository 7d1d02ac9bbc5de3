// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { authHeaderName, HEADER_TEXT } from "../../auth/header_text.ts";
import type { ExtensionFactory } from "../../component/factory.ts";
import { secret, unsupported } from "../../options/values.ts";
import { type BearerTokenConfig, createBearerTokenAuth } from "./authenticator.ts";

const token = secret().refine((text) => HEADER_TEXT.test(text), { error: "must be printable ASCII" });

const schema: z.ZodType<BearerTokenConfig> = z
  .strictObject({
    token: token.optional(),
    tokens: z
      .array(token)
      .optional()
      .describe("Several tokens instead of token; the first one is sent, each one is accepted"),
    filename: z
      .string()
      .min(1)
      .optional()
      .describe("A file with a token on each line; it is read again when it changes"),
    scheme: z
      .string()
      .regex(HEADER_TEXT, "must be printable ASCII")
      .default("Bearer")
      .describe("The text before the token; empty for none"),
    header: authHeaderName.prefault("Authorization").describe("The header that holds the token"),
    file_retry: unsupported("the file must be there at the start"),
  })
  .transform(({ token, tokens = [], filename, scheme, header }, context) => {
    const fail = (key: string, message: string): never => {
      context.addIssue({ code: "custom", path: [key], message, input: key });
      return z.NEVER;
    };
    if (token !== undefined && tokens.length > 0)
      return fail("tokens", "either tokens or token should be provided, not both");
    const given = token === undefined || token === "" ? tokens : [token];
    if (given.length > 0 && filename !== undefined)
      return fail("filename", "cannot be given together with token or tokens");
    if (given.length === 0 && filename === undefined)
      return fail("token", "no bearer token provided; give token or filename");
    // An empty token would accept requests that send none.
    if (given.some((one) => one.trim() === ""))
      return fail(token === undefined ? "tokens" : "token", "must not be empty");
    return { tokens: given, filename, scheme, header };
  });

/** Adds a token to exporters' requests, and checks the tokens of listeners' requests. */
export const factory: ExtensionFactory<BearerTokenConfig> = {
  stability: "beta",
  schema,
  roles: () => ["http_authenticator", "grpc_authenticator", "server_authenticator"],
  create: createBearerTokenAuth,
};
