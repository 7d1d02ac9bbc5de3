// SPDX-License-Identifier: Apache-2.0
import type { ServerLimits, ServerTimeouts } from "./server.ts";
import type { TlsConfig } from "./tls.ts";

/**
 * How a component's listener is configured. Where an option is undefined, the value of another component at the same
 * address applies, or the default if none sets the option.
 */
export interface Serving {
  readonly tls: TlsConfig | undefined;
  readonly limits: ServerLimits | undefined;
  /** Hosts for which requests are answered in addition to IP addresses and loopback names, as `hostRule` takes them. */
  readonly allowedHosts: readonly string[] | undefined;
  /** The id of the extension that checks the credentials of requests. */
  readonly auth: string | undefined;
  readonly timeouts: ServerTimeouts | undefined;
}

/** The fields of `Serving` with their names in messages. */
export const SERVING_OPTIONS: readonly (readonly [keyof Serving, option: string])[] = [
  ["tls", "tls"],
  ["limits", "limits"],
  ["allowedHosts", "allowed_hosts"],
  ["auth", "auth"],
  ["timeouts", "time-outs"],
];

/** Joins the options of all components at an address: of each option, the first value that is set. */
export function jointServing(servings: readonly Serving[]): Serving {
  const first = <Key extends keyof Serving>(key: Key): Serving[Key] | undefined =>
    servings.find((one) => one[key] !== undefined)?.[key];
  return {
    tls: first("tls"),
    limits: first("limits"),
    allowedHosts: first("allowedHosts"),
    auth: first("auth"),
    timeouts: first("timeouts"),
  };
}

/** Options of which none is set. */
export const ANY_SERVING: Serving = jointServing([]);
