// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { type AuthConfig, authUse, serverAuthSchema } from "../auth/config.ts";
import type { ExtensionUse } from "../component/extension_use.ts";
import type { Remark } from "../component/factory.ts";
import { duration, type ListenAddress, size, unsupported } from "../options/values.ts";
import { cipherSuites, curvePreferences, openSslCiphers, openSslGroups } from "../tls/ciphers.ts";
import { reloadInterval } from "../tls/client_config.ts";
import { HOST_PATTERN } from "./hosts.ts";
import type { ServerLimits, ServerTimeouts } from "./server.ts";
import type { Serving } from "./serving.ts";
import type { TlsConfig } from "./tls.ts";

/** The option `tls` of a listener, with the names of the Collector's `configtls`. */
export const serverTls: z.ZodType<TlsConfig> = z
  .strictObject({
    cert_file: z.string().min(1),
    key_file: z.string().min(1),
    client_ca_file: z
      .string()
      .min(1)
      .optional()
      .describe("If given, clients must show a certificate that one of these authorities signed"),
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

type CountLimit = "connections" | "connections_per_address" | "requests_per_second" | "handshakes_per_second";
type SizeLimit = "url" | "request_header";
type RefusedLimit = "request_timeout" | "stall_timeout";

/** `limits` of a listener by their names in YAML, as `serverLimits` gives them: counts, and sizes in bytes. */
export type ServerLimitOptions = Readonly<Record<CountLimit | SizeLimit, number>>;

/**
 * The schemas of a listener's limits. A component with a listener puts them into a `z.strictObject` of its own schema,
 * with a transform that calls `toServerLimits`.
 */
export const serverLimits: Readonly<
  Record<CountLimit, z.ZodPrefault<z.ZodType<number, number>>> &
    Record<SizeLimit, z.ZodPrefault<z.ZodType<number, string | number>>> &
    Record<RefusedLimit, z.ZodOptional<z.ZodUndefined>>
> = {
  connections: count(256).describe(
    "Open connections; at the limit, a new one replaces one that waits for its client",
  ),
  connections_per_address: count(128).describe(
    "Open connections of one address, or of a /64 network of IPv6",
  ),
  requests_per_second: count(100).describe("Requests of one address; further ones are answered with 429"),
  handshakes_per_second: count(50).describe("TLS handshakes of one address; further ones wait"),
  url: size().prefault("2KiB").describe("The length of a request's path and query"),
  request_header: size({ minBytes: 1_024 })
    .prefault("16KiB")
    .describe("The length of a request's first line and headers"),
  request_timeout: unsupported("read_header_timeout beside limits has its meaning"),
  stall_timeout: unsupported("write_timeout beside limits bounds an answer as a whole"),
};

function count(byDefault: number): z.ZodPrefault<z.ZodType<number, number>> {
  return z.int().min(1).prefault(byDefault);
}

/** Turns the limits of a component's schema into those that the server works with. */
export function toServerLimits(config: ServerLimitOptions): ServerLimits {
  return {
    connectionsMax: config.connections,
    connectionsPerAddressMax: config.connections_per_address,
    requestsPerSecondMax: config.requests_per_second,
    handshakesPerSecondMax: config.handshakes_per_second,
    urlBytesMax: config.url,
    headerBytesMax: config.request_header,
  };
}

const HOST_TEXT = 'must be a host name without a port, "*.name" for all names below one, or "*"';

const timeout = (meaning: string, byDefault: string): z.ZodOptional<z.ZodType<number, unknown>> =>
  duration({ minMs: 100 }).optional().describe(`${meaning}; ${byDefault} if left out`);

type TimeoutOption = "read_header_timeout" | "read_timeout" | "write_timeout" | "idle_timeout";

/** The options of a listener by their names in YAML, as `servingOptions` gives them; time-outs are in milliseconds. */
export type ServingOptions = Partial<
  Readonly<
    Record<"tls", TlsConfig | undefined> &
      Record<"allowed_hosts", readonly string[] | undefined> &
      Record<"auth", AuthConfig | undefined> &
      Record<TimeoutOption, number | undefined> &
      Record<"keep_alives_enabled", boolean | undefined>
  >
>;

/**
 * The schemas of a listener's options. A component with a listener puts them into its own schema, whose transform calls
 * `toServing`.
 */
export const servingOptions: {
  readonly [Key in keyof ServingOptions]-?: z.ZodOptional<
    z.ZodType<NonNullable<ServingOptions[Key]>, unknown>
  >;
} = {
  tls: serverTls
    .optional()
    .describe("Serve HTTPS; if left out, the option of a component with the same endpoint applies"),
  allowed_hosts: z
    .array(z.string().regex(HOST_PATTERN, HOST_TEXT))
    .optional()
    .describe(
      "Hosts for which requests are answered, in addition to IP addresses and localhost; if left out, local names, and any host for a GET from the network",
    ),
  auth: serverAuthSchema
    .optional()
    .describe(
      "Credentials that requests must have; if left out, the option of a component with the same endpoint applies",
    ),
  read_header_timeout: timeout("Time for a request or a TLS handshake to arrive", "10s"),
  read_timeout: z
    .union([z.literal(["0", "0s"]).transform(() => 0), duration({ minMs: 100 })])
    .optional()
    .describe(
      "The same as read_header_timeout, since requests have no body: the shorter one applies; 0s for read_header_timeout alone",
    ),
  write_timeout: timeout(
    "Time from a request to the end of its answer, even if the client reads steadily",
    "30s",
  ),
  idle_timeout: timeout("Time until the next request of a connection", "2m"),
  keep_alives_enabled: z
    .boolean()
    .optional()
    .describe("Whether a connection may carry more than one request; true if left out"),
};

/** Turns the options of a component's schema into what its listener works with. */
export function toServing(config: ServingOptions, limits: ServerLimits | undefined): Serving {
  return {
    tls: config.tls,
    limits,
    allowedHosts: config.allowed_hosts,
    auth: config.auth?.authenticator,
    timeouts: toServerTimeouts(config),
  };
}

/** The part of a component's config that is about its listener. */
interface Listening {
  readonly address: ListenAddress;
  readonly serving: Serving;
}

const LOOPBACK_HOST = /^(?:localhost|::1|127\..*)$/;

/** The parts of a factory that every component with a listener has; spread it into the factory. */
export const listening = {
  /**
   * Names the port without the host, or the path of the socket. Components of one config may share that port or path.
   */
  sharedClaims: ({ address }: Listening): readonly string[] => [
    "path" in address ? `listener ${address.path}` : `listener ${address.port}`,
  ],
  uses: ({ serving: { auth } }: Listening): readonly ExtensionUse[] =>
    authUse(auth === undefined ? undefined : { authenticator: auth }, "server_authenticator"),
  /**
   * Warns where clients send passwords and tokens over the network without TLS, so that others on the network can read
   * them.
   */
  remarks: ({ address, serving: { auth, tls } }: Listening): readonly Remark[] => {
    if (auth === undefined || tls !== undefined || "path" in address || LOOPBACK_HOST.test(address.host))
      return [];
    return [
      {
        path: ["auth"],
        message: "lets credentials come in the clear, unless what shares the endpoint has tls; add tls",
      },
    ];
  },
};

/**
 * The time-outs of a listener where no config sets them. An idle connection lasts two minutes, so that it outlasts
 * Prometheus' default scrape interval of one minute.
 */
export const defaultServerTimeouts: ServerTimeouts = {
  readMs: 10_000,
  writeMs: 30_000,
  idleMs: 120_000,
  keepAlives: true,
};

/**
 * Returns the time-outs, with the default of each one that the config does not set. Undefined where it sets none and no
 * `keep_alives_enabled`: then those of another component at the same address apply, or the defaults.
 */
function toServerTimeouts(config: ServingOptions): ServerTimeouts | undefined {
  const { readMs, writeMs, idleMs, keepAlives } = defaultServerTimeouts;
  const { read_header_timeout, read_timeout, write_timeout, idle_timeout, keep_alives_enabled } = config;
  const set = [read_header_timeout, read_timeout, write_timeout, idle_timeout, keep_alives_enabled];
  if (set.every((value) => value === undefined)) return undefined;
  return {
    readMs: Math.min(read_header_timeout ?? readMs, read_timeout || Number.POSITIVE_INFINITY),
    writeMs: write_timeout ?? writeMs,
    idleMs: idle_timeout ?? idleMs,
    keepAlives: keep_alives_enabled ?? keepAlives,
  };
}

/** The limits of a listener where no config sets them. */
export const defaultServerLimits: ServerLimits = toServerLimits(z.object(serverLimits).parse({}));
