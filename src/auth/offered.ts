// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../component/host.ts";
import type { ClientAuthenticator, RequestKind } from "./authenticator.ts";
import { CLIENT_AUTHENTICATORS } from "./authenticator.ts";

/**
 * The authenticator that a config names, where it names one. Throws, with words for the user, where none is offered that
 * serves requests of the kind.
 */
export function offeredAuthenticator(
  host: Host,
  id: string | undefined,
  kind: RequestKind,
): ClientAuthenticator | undefined {
  if (id === undefined) return undefined;
  const found = host.single(CLIENT_AUTHENTICATORS).get(id);
  if (found === undefined) throw new Error(`authenticator "${id}" is not in service::extensions`);
  const refusal = found.refusal(kind);
  if (refusal !== undefined) throw new Error(`authenticator "${id}" cannot be used here: ${refusal}`);
  return found;
}
