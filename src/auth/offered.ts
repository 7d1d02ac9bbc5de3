// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../component/host.ts";
import { CLIENT_AUTHENTICATORS, type ClientAuthenticator, type RequestKind } from "./authenticator.ts";

/**
 * Finds the authenticator of the extension `id`; undefined if `id` is undefined. Throws, with a message for the user,
 * if that extension offers none, or if its authenticator cannot serve requests of the kind.
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
