// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionRole, ExtensionUse } from "../component/extension_use.ts";
import { unsupported } from "../options/values.ts";

/** The Collector's option `auth`. */
export interface AuthConfig {
  /** The id of the extension that gives requests their credentials, or checks them. */
  readonly authenticator: string;
}

/** The option `auth` of a client. */
export const authSchema: z.ZodType<AuthConfig | undefined> = z
  .strictObject({
    authenticator: z
      .string()
      .trim()
      .min(1, "must be an extension's id")
      .describe("The extension that gives requests their credentials, such as basicauth"),
  })
  .optional()
  .describe("Credentials from an extension");

/** The option `auth` of a listener. */
export const serverAuthSchema: z.ZodType<AuthConfig> = z.strictObject({
  authenticator: z
    .string()
    .trim()
    .min(1, "must be an extension's id")
    .describe(
      "The extension that checks the credentials of requests: basicauth with htpasswd, or bearertokenauth",
    ),
  request_params: unsupported("a URL with a secret is in every log on its way; send a header"),
});

/** Returns the extension that a component needs for its option `auth`; none if the option is left out. */
export function authUse(auth: AuthConfig | undefined, role: ExtensionRole): readonly ExtensionUse[] {
  return auth === undefined ? [] : [{ id: auth.authenticator, role, path: ["auth", "authenticator"] }];
}
