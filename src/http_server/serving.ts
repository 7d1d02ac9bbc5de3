// SPDX-License-Identifier: Apache-2.0
import type { ServerLimits, ServerTimeouts } from "./server.ts";
import type { TlsConfig } from "./tls.ts";

/**
 * How a component wants its address to be served. An undefined option takes the value of a component at the same address, or
 * its default where none sets it.
 */
export interface Serving {
  readonly tls: TlsConfig | undefined;
  readonly limits: ServerLimits | undefined;
  /** Hosts for which requests are answered in addition to IP addresses and loopback names, as `hostRule` takes them. */
  readonly allowedHosts: readonly string[] | undefined;
  /** The id of the authenticator whose credentials a request must have. */
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

/** No option is set. */
export const ANY_SERVING: Serving = jointServing([]);
