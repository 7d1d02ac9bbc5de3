// SPDX-License-Identifier: Apache-2.0
import type { ServerLimits, ServerTimeouts } from "./server.ts";
import type { TlsConfig } from "./tls.ts";

/** How an address is served. What is undefined goes along with whoever shares the address, or else has its default. */
export interface Serving {
  readonly tls: TlsConfig | undefined;
  readonly limits: ServerLimits | undefined;
  /** Hosts that are answered for beside IP addresses and loopback names, as `hostRule` takes them. */
  readonly allowedHosts: readonly string[] | undefined;
  /** The id of the authenticator whose credentials a request must have. */
  readonly auth: string | undefined;
  readonly timeouts: ServerTimeouts | undefined;
}

/** The options that say it, for messages. */
export const SERVING_OPTIONS: readonly (readonly [keyof Serving, option: string])[] = [
  ["tls", "tls"],
  ["limits", "limits"],
  ["allowedHosts", "allowed_hosts"],
  ["auth", "auth"],
  ["timeouts", "time-outs"],
];

/** What the wishes of all come to: the first that one of them has, of each. */
export function jointServing(wishes: readonly Serving[]): Serving {
  const first = <Key extends keyof Serving>(key: Key): Serving[Key] | undefined =>
    wishes.find((one) => one[key] !== undefined)?.[key];
  return {
    tls: first("tls"),
    limits: first("limits"),
    allowedHosts: first("allowedHosts"),
    auth: first("auth"),
    timeouts: first("timeouts"),
  };
}

/** Nobody's wishes. */
export const ANY_SERVING: Serving = jointServing([]);
