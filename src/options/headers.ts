// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { secret } from "./values.ts";

/** They frame the message, or say what is in it, which is not the user's to decide. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "proxy-authorization",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-prometheus-remote-write-version",
]);

/** The name of a header that is the user's to set. */
export const httpHeaderName: z.ZodString = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: "is no name that a header can have" })
  .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), {
    error: "is a header that the exporter itself decides about",
  });

const VALUE = "a header's value must be printable ASCII";

const headerValue = secret().refine((value) => /^[ -~]*$/.test(value), { error: VALUE });

/**
 * Headers for every request: a map, or the Collector's list of `{name, value}`, in which no name may come twice. Values are
 * secret; which names are the user's to give, `name` says.
 */
export function headersOption(
  name: z.ZodString,
): z.ZodType<Readonly<Record<string, string>>, Record<string, string> | { name: string; value: string }[]> {
  const list = z.array(z.strictObject({ name, value: headerValue })).superRefine((headers, context) => {
    const names = new Set<string>();
    for (const [index, header] of headers.entries()) {
      const lower = header.name.toLowerCase();
      const path = [index, "name"];
      if (names.has(lower))
        context.addIssue({ code: "custom", message: "comes twice", path, input: header.name });
      names.add(lower);
    }
  });
  return z
    .union([z.record(name, headerValue), list])
    .transform((headers) =>
      Array.isArray(headers) ? Object.fromEntries(headers.map(({ name, value }) => [name, value])) : headers,
    );
}
