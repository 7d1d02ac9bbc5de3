import { z } from "zod";
import { type AuthConfig, authUse, serverAuthSchema } from "../auth/config.ts";
import type { Remark } from "../component/component.ts";
import type { ExtensionUse } from "../component/extension_use.ts";
import { duration, type ListenAddress, size, unsupported } from "../config/values.ts";
import { cipherSuites, curvePreferences, openSslCiphers, openSslGroups } from "../tls/ciphers.ts";
import { reloadInterval } from "../tls/client_config.ts";
import { HOST_PATTERN } from "./hosts.ts";
import type { ServerLimits } from "./server.ts";
import type { Serving } from "./serving.ts";
import type { TlsConfig } from "./tls.ts";

/** `tls` of whatever listens, as the Collector's `configtls` names it. */
export const serverTls: z.ZodType<TlsConfig> = z
  .strictObject({
    cert_file: z.string().min(1),
    key_file: z.string().min(1),
    client_ca_file: z
      .string()
      .min(1)
      .optional()
      .describe("With it, clients must show a certificate signed by one of its authorities"),
    min_version: z.enum(["1.2", "1.3"]).default("1.2"),
    cipher_suites: cipherSuites.optional(),
    curve_preferences: curvePreferences.optional(),
    reload_interval: reloadInterval(),
    client_ca_file_reload: unsupported("reload_interval is for all files"),
  })
  .transform((config) => ({
    certFile: config.cert_file,
    keyFile: config.key_file,
    clientCaFile: config.client_ca_file,
    minVersion: `TLSv${config.min_version}` as const,
    ciphers: openSslCiphers(config.cipher_suites),
    groups: openSslGroups(config.curve_preferences),
    reloadIntervalMs: config.reload_interval,
  }));

/** `limits` of whatever listens, as its schema gives them. */
export interface ServerLimitsConfig {
  readonly connections: number;
  readonly requests_per_second: number;
  readonly url: number;
  readonly request_header: number;
  readonly request_timeout: number;
  readonly stall_timeout: number;
}

/** Their schemas, for the component's own strict object. */
export const serverLimits: {
  readonly [Key in keyof ServerLimitsConfig]: z.ZodPrefault<z.ZodType<number, number | string>>;
} = {
  connections: z.int().min(1).prefault(64).describe("Open connections; further ones are closed at once"),
  requests_per_second: z
    .int()
    .min(1)
    .prefault(100)
    .describe("Of all clients together; further ones are answered with 429"),
  url: size().prefault("2KiB").describe("A request's path and query"),
  request_header: size({ minBytes: 1_024 }).prefault("16KiB").describe("A request's line and headers"),
  request_timeout: duration({ minMs: 100 }).prefault("10s").describe("For a request to arrive"),
  stall_timeout: duration({ minMs: 100 })
    .prefault("30s")
    .describe("A client that takes nothing for this long is cut off"),
};

export function toServerLimits(config: ServerLimitsConfig): ServerLimits {
  return {
    connectionsMax: config.connections,
    requestsPerSecondMax: config.requests_per_second,
    urlBytesMax: config.url,
    headerBytesMax: config.request_header,
    requestTimeoutMs: config.request_timeout,
    stallTimeoutMs: config.stall_timeout,
  };
}

/** What the config of whatever listens has beside its endpoint and limits. */
export interface ServingConfig {
  readonly tls?: TlsConfig | undefined;
  readonly allowed_hosts?: readonly string[] | undefined;
  readonly auth?: AuthConfig | undefined;
}

const HOST_TEXT = 'must be a host name without a port, "*.name" for all names below one, or "*"';

/** Their schemas, for the component's own strict object. */
export const servingOptions: {
  readonly [Key in keyof Required<ServingConfig>]: z.ZodType<ServingConfig[Key], unknown>;
} = {
  tls: serverTls.optional().describe("Serve HTTPS; if left out, as a component of the same endpoint does"),
  allowed_hosts: z
    .array(z.string().regex(HOST_PATTERN, HOST_TEXT))
    .optional()
    .describe(
      "Hosts that a request may be for, beside IP addresses and localhost; if left out, local names, and any for a GET from the network",
    ),
  auth: serverAuthSchema.describe(
    "Credentials that requests must have; if left out, as a component of the same endpoint wants it",
  ),
};

export function toServing(config: ServingConfig, limits: ServerLimits | undefined): Serving {
  return { tls: config.tls, limits, allowedHosts: config.allowed_hosts, auth: config.auth?.authenticator };
}

/** The extension that an address needs for how it is served. */
export function servingUses({ auth }: Serving): readonly ExtensionUse[] {
  return authUse(auth === undefined ? undefined : { authenticator: auth }, "server_authenticator");
}

const LOOPBACK_HOST = /^(?:localhost|::1|127\..*)$/;

/** Warns of passwords and tokens that whoever is on the way can read. */
export function servingRemarks(address: ListenAddress, { auth, tls }: Serving): readonly Remark[] {
  if (auth === undefined || tls !== undefined || "path" in address || LOOPBACK_HOST.test(address.host))
    return [];
  return [
    {
      path: ["auth"],
      message: "lets credentials come in the clear, unless what shares the endpoint has tls; add tls",
    },
  ];
}

/** What holds where a config has no word on it. */
export const defaultServerLimits: ServerLimits = toServerLimits(z.object(serverLimits).parse({}));
