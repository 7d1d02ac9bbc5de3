// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionFactory } from "../../component/factory.ts";
import { secret, unsupported } from "../../options/values.ts";
import { type ClientAuthConfig, createBasicAuthClient } from "./client_side.ts";
import { parseHtpasswd } from "./htpasswd.ts";
import { createBasicAuthServer, type HtpasswdConfig } from "./server_side.ts";

const file = (what: string) => z.string().min(1).optional().describe(`A file that holds the ${what}`);

const clientAuth = z
  .strictObject({
    username: z.string().min(1).optional(),
    username_file: file("username, instead of username"),
    password: secret().optional(),
    password_file: file("password, instead of password"),
    aws_secrets_manager: unsupported("mount the secret as a file, and give username_file and password_file"),
  })
  .superRefine((config, context) => {
    const fault = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: config });
    if ((config.username ?? config.username_file) === undefined)
      fault("username", "is required, or username_file");
    if ((config.password ?? config.password_file) === undefined)
      fault("password", 'is required, or password_file; "" for none');
    if (config.username?.includes(":") === true)
      fault("username", "must not hold a colon, which ends it in the header");
  });

const htpasswd = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe("A file of name:hash lines; it is read again when it changes"),
    inline: secret().optional().describe("Lines of name:hash; where a name is in both, this one counts"),
  })
  .superRefine(({ file, inline }, context) => {
    const fault = (path: string[], message: string): void =>
      context.addIssue({ code: "custom", path, message, input: inline });
    if (inline === undefined && file === undefined)
      fault([], "no credential source provided; give file or inline");
    const wrong = inline === undefined ? undefined : parseHtpasswd(inline).fault;
    if (wrong !== undefined) fault(["inline"], `must be lines of name:hash: ${wrong}`);
  });

/** `client_auth` makes an extension for exporters, `htpasswd` one for listeners. An extension has one of the two. */
export type BasicAuthConfig =
  | { readonly side: "client"; readonly client: ClientAuthConfig }
  | { readonly side: "server"; readonly htpasswd: HtpasswdConfig };

const schema: z.ZodType<BasicAuthConfig> = z
  .strictObject({
    client_auth: clientAuth.optional().describe("The name and password that exporters' requests get"),
    htpasswd: htpasswd.optional().describe("The names and passwords that listeners' requests may have"),
  })
  .transform(({ client_auth, htpasswd }, context): BasicAuthConfig => {
    const fail = (key: string, message: string): never => {
      context.addIssue({ code: "custom", path: [key], message, input: key });
      return z.NEVER;
    };
    if (htpasswd !== undefined) {
      if (client_auth !== undefined)
        return fail(
          "htpasswd",
          "only one of htpasswd and client_auth can be specified; give each an extension",
        );
      return { side: "server", htpasswd: { file: htpasswd.file, inline: htpasswd.inline } };
    }
    if (client_auth === undefined)
      return fail("client_auth", "is required for exporters, or htpasswd for listeners");
    const { username, username_file, password, password_file } = client_auth;
    return {
      side: "client",
      client: { username, usernameFile: username_file, password, passwordFile: password_file },
    };
  });

/** Adds a name and a password to exporters' requests, or checks those of listeners' requests, by the scheme Basic. */
export const factory: ExtensionFactory<BasicAuthConfig> = {
  stability: "beta",
  schema,
  roles: ({ side }) =>
    side === "client" ? ["http_authenticator", "grpc_authenticator"] : ["server_authenticator"],
  create: (config, settings) =>
    config.side === "client"
      ? createBasicAuthClient(config.client, settings)
      : createBasicAuthServer(config.htpasswd, settings),
};
