// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionRole, ExtensionUse } from "../component/extension_use.ts";
import { unsupported } from "../options/values.ts";

/** The Collector's `auth` of a client. */
export interface AuthConfig {
  /** The extension that gives requests their credentials. */
  readonly authenticator: string;
}

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

/** The Collector's `auth` of a server. */
export const serverAuthSchema: z.ZodType<AuthConfig> = z.strictObject({
  authenticator: z
    .string()
    .trim()
    .min(1, "must be an extension's id")
    .describe("The extension that asks requests who they are: basicauth with htpasswd, or bearertokenauth"),
  request_params: unsupported("a URL with a secret is in every log on its way; send a header"),
});

/** The authenticator that a component needs, where its config names one. */
export function authUse(auth: AuthConfig | undefined, role: ExtensionRole): readonly ExtensionUse[] {
  return auth === undefined ? [] : [{ id: auth.authenticator, role, path: ["auth", "authenticator"] }];
}
