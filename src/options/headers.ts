// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { secret } from "./values.ts";

/** Headers that frame the message or describe its contents. Only the exporter sets them. */
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

/** Schema of the name of a header that the user may set. */
export const httpHeaderName: z.ZodString = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: "is no name that a header can have" })
  .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), {
    error: "is a header that the exporter itself decides about",
  });

const VALUE = "a header's value must be printable ASCII";

const headerValue = secret().refine((value) => /^[ -~]*$/.test(value), { error: VALUE });

/**
 * Schema of headers for every request: a map, or the Collector's list of `{name, value}`, in which no name may come twice. Values
 * are secret. `name` is the schema of a name.
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
