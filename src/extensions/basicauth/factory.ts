import { z } from "zod";
import type { ExtensionFactory } from "../../component/component.ts";
import { secret, unsupported } from "../../config/values.ts";
import { type BasicAuthConfig, createBasicAuth } from "./authenticator.ts";

const file = (what: string) => z.string().min(1).optional().describe(`A file that holds the ${what}`);

const clientAuth = z
  .strictObject({
    username: z.string().min(1).optional(),
    username_file: file("username, in place of username"),
    password: secret().optional(),
    password_file: file("password, in place of password"),
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

const schema: z.ZodType<BasicAuthConfig> = z
  .strictObject({
    client_auth: clientAuth.describe("What exporters say who they are with"),
    htpasswd: unsupported(
      "it is for receivers that take requests, and this agent has none; give client_auth",
    ),
  })
  .transform(({ client_auth: { username, username_file, password, password_file } }) => ({
    username,
    usernameFile: username_file,
    password,
    passwordFile: password_file,
  }));

/** Gives requests a name and a password, by HTTP's scheme Basic. */
export const factory: ExtensionFactory<BasicAuthConfig> = {
  stability: "beta",
  schema,
  roles: ["http_authenticator", "grpc_authenticator"],
  create: createBasicAuth,
};
