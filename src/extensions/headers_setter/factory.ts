// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { authHeaderName, HEADER_TEXT } from "../../auth/header_text.ts";
import type { ExtensionFactory } from "../../component/factory.ts";
import { secret, unsupported } from "../../options/values.ts";
import { createHeadersSetter, type HeaderRule, type HeadersSetterConfig } from "./authenticator.ts";

const NO_CONTEXT = "readings carry no client context that a value could come from; give value or value_file";

const rule = z
  .strictObject({
    key: authHeaderName.describe("The header's name"),
    action: z
      .enum(["insert", "update", "upsert", "delete"])
      .default("upsert")
      .describe(
        "insert: set it unless the request has it. update: set it if the request has it. upsert: set it in any case. delete: remove it",
      ),
    value: secret()
      .refine((text) => HEADER_TEXT.test(text), { error: "must be printable ASCII" })
      .optional(),
    value_file: z
      .string()
      .min(1)
      .optional()
      .describe("A file that holds the value; it is read again when it changes"),
    default_value: unsupported(`it goes with from_context; ${NO_CONTEXT}`),
    from_attribute: unsupported(NO_CONTEXT),
    from_context: unsupported(NO_CONTEXT),
  })
  .transform(({ key, action, value, value_file }, context): HeaderRule => {
    const fail = (at: string, message: string): never => {
      context.addIssue({ code: "custom", path: [at], message, input: at });
      return z.NEVER;
    };
    if (value !== undefined && value_file !== undefined)
      return fail("value_file", "cannot be given together with value");
    if (action !== "delete" && value === undefined && value_file === undefined)
      return fail("value", "is required, or value_file");
    return { key, action, value, valueFile: value_file };
  });

const schema: z.ZodType<HeadersSetterConfig> = z
  .strictObject({
    headers: z.array(rule).min(1, "missing headers configuration"),
    additional_auth: z
      .string()
      .trim()
      .min(1)
      .optional()
      .describe("Another authenticator, which is applied afterwards and sees the headers that are set here"),
  })
  .transform(({ headers, additional_auth }) => ({ headers, additionalAuth: additional_auth }));

/** Sets headers of requests, such as a tenant's. */
export const factory: ExtensionFactory<HeadersSetterConfig> = {
  stability: "beta",
  schema,
  roles: () => ["http_authenticator", "grpc_authenticator"],
  // An exporter over gRPC checks at its start, by `refusal`, that the additional authenticator serves gRPC.
  uses: ({ additionalAuth: id }) =>
    id === undefined ? [] : [{ id, role: "http_authenticator", path: ["additional_auth"] }],
  create: createHeadersSetter,
};
