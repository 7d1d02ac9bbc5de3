import { z } from "zod";
import { secret } from "./values.ts";

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
