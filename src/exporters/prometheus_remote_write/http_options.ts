// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { attemptTimeout } from "../../delivery/retry_config.ts";
import { type HttpClientOptions, httpClientOptions, refusedHttpOptions } from "../../http_client/config.ts";
import { type PushUrl, pushUrl } from "../../http_client/url.ts";

/**
 * Options that the Collector has in a block `http` since 0.158. Before 0.158, they were next to the exporter's other
 * options.
 */
export interface HttpOptions extends HttpClientOptions {
  readonly endpoint: PushUrl;
  readonly timeout: number;
}

/** The options that the user has written in the block `http`, or those outside of it. */
export type WrittenHttpOptions = { readonly [Key in keyof HttpOptions]?: HttpOptions[Key] | undefined };

type Schemas<Options> = { readonly [Key in keyof Options]-?: z.ZodType<Options[Key], unknown> };

const withDefaults: Schemas<Omit<HttpOptions, "endpoint">> = {
  timeout: attemptTimeout().prefault("5s"),
  ...httpClientOptions,
};
const DEFAULTS: Omit<HttpOptions, "endpoint"> = z.strictObject(withDefaults).parse({});

/**
 * Schemas without defaults. So an option is undefined unless the user has written it, and an option that is both in
 * `http` and outside of it can be reported as a fault.
 */
const written: Schemas<WrittenHttpOptions> = {
  endpoint: pushUrl()
    .optional()
    .describe('Where to write, as a URL with its path; or "unix:///path" of a socket'),
  timeout: withoutDefault(withDefaults.timeout),
  auth: withoutDefault(withDefaults.auth),
  tls: withoutDefault(withDefaults.tls),
  headers: withoutDefault(withDefaults.headers),
  proxy_url: withDefaults.proxy_url,
  max_idle_conns: withoutDefault(withDefaults.max_idle_conns),
  max_idle_conns_per_host: withDefaults.max_idle_conns_per_host,
  max_conns_per_host: withoutDefault(withDefaults.max_conns_per_host),
  idle_conn_timeout: withoutDefault(withDefaults.idle_conn_timeout),
  disable_keep_alives: withoutDefault(withDefaults.disable_keep_alives),
};

/** Returns the schema without its default. The description says the default, unless it is an object. */
function withoutDefault<Value>(schema: z.ZodType<Value, unknown>): z.ZodType<Value | undefined, unknown> {
  if (!(schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)) return schema.optional();
  const bare = schema.unwrap() as z.ZodType<Value, unknown>; // the class knows no more than that it is a schema
  const { defaultValue } = schema.def;
  const isPlain = typeof defaultValue !== "object";
  return bare
    .optional()
    .describe(`${schema.description ?? ""}${isPlain ? `; ${defaultValue} if left out` : ""}`);
}

/** The schemas for the exporter's strict object, which accepts these options in `http` and outside of it. */
export const httpOptions: Schemas<WrittenHttpOptions> &
  typeof refusedHttpOptions & { readonly http: z.ZodType<WrittenHttpOptions | undefined, unknown> } = {
  http: z
    .strictObject({ ...written, ...refusedHttpOptions })
    .optional()
    .describe("How to reach the receiver; written outside of it, these options are deprecated"),
  ...written,
  ...refusedHttpOptions,
};

/**
 * Merges the options in `http` and outside of it, and adds defaults. Reports faults; returns undefined if there is no
 * endpoint.
 */
export function mergeHttpOptions(
  block: WrittenHttpOptions,
  outside: WrittenHttpOptions,
  fault: (path: readonly string[], message: string) => void,
): HttpOptions | undefined {
  for (const key of Object.keys(written) as (keyof HttpOptions)[])
    if (block[key] !== undefined && outside[key] !== undefined)
      fault([key], "is in http too; write it there only");
  const endpoint = block.endpoint ?? outside.endpoint;
  if (endpoint === undefined) {
    fault(["http", "endpoint"], "is required");
    return undefined;
  }
  return { ...DEFAULTS, ...given(outside), ...given(block), endpoint };
}

function given(options: WrittenHttpOptions): Partial<HttpOptions> {
  const known = Object.entries(options).filter(
    ([key, value]) => Object.hasOwn(written, key) && value !== undefined,
  );
  return Object.fromEntries(known);
}
