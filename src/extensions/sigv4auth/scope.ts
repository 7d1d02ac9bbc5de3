// SPDX-License-Identifier: Apache-2.0
import { LastingError } from "../../auth/lasting_error.ts";

/** Whom a signature is for. */
export interface SigningScope {
  readonly service: string;
  readonly region: string;
}

/** As far as it is given. */
export type GivenScope = { readonly [Key in keyof SigningScope]: string | undefined };

/** The first part of a host's name, and the service that signs by another name. */
const SERVICES: readonly (readonly [prefix: string, service: string])[] = [
  ["aps-workspaces", "aps"],
  ["search-", "es"],
  ["logs", "logs"],
  ["xray", "xray"],
  ["monitoring", "monitoring"],
];

/**
 * The service and region that are given or, as in the Collector, those that AWS's host names tell. Throws, with words for
 * the user, where one is missing.
 */
export function scopeOf(given: GivenScope, host: string): SigningScope {
  const [first = "", second] = host.split(".");
  const [, told] = SERVICES.find(([prefix]) => first.startsWith(prefix)) ?? [];
  const service = given.service ?? told;
  const region = given.region ?? (told === undefined ? undefined : second);
  if (service === undefined || region === undefined)
    throw new LastingError(
      `cannot tell the AWS service and region from host "${host}"; give service and region`,
    );
  return { service, region };
}
