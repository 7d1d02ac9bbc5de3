// SPDX-License-Identifier: Apache-2.0
import { LastingError } from "../../auth/lasting_error.ts";

/** The AWS service and region that a signature is for. */
export interface SigningScope {
  readonly service: string;
  readonly region: string;
}

/** The service and region as the config gives them; undefined if it leaves them out. */
export type GivenScope = { readonly [Key in keyof SigningScope]: string | undefined };

/** For each AWS service: the beginning of its host names, and its name in signatures. */
const SERVICES: readonly (readonly [prefix: string, service: string])[] = [
  ["aps-workspaces", "aps"],
  ["search-", "es"],
  ["logs", "logs"],
  ["xray", "xray"],
  ["monitoring", "monitoring"],
];

/**
 * Returns the service and region of the config. If the config leaves one of them out, takes it from the name of the
 * host, as the Collector does. Throws, with a message for the user, if the name does not show it.
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
