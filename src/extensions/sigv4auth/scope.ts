// SPDX-License-Identifier: Apache-2.0
import { LastingError } from "../../auth/lasting_error.ts";

/** The AWS service and region that a signature is for. */
export interface SigningScope {
  readonly service: string;
  readonly region: string;
}

/** The service and region as the config gives them; undefined where it leaves them out. */
export type GivenScope = { readonly [Key in keyof SigningScope]: string | undefined };

/** How the host names of AWS services begin, and the name of the service in signatures. */
const SERVICES: readonly (readonly [prefix: string, service: string])[] = [
  ["aps-workspaces", "aps"],
  ["search-", "es"],
  ["logs", "logs"],
  ["xray", "xray"],
  ["monitoring", "monitoring"],
];

/**
 * Returns the service and region of the config. Where it leaves one out, takes that from the name of an AWS host, as
 * the Collector does. Throws, with a message for the user, where the name does not show it either.
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
