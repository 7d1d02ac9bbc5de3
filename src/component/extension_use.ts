// SPDX-License-Identifier: Apache-2.0
/** What an extension can be to other components: two of the authenticators give requests their credentials, one asks for them. */
export type ExtensionRole = "storage" | "http_authenticator" | "grpc_authenticator" | "server_authenticator";

/** An extension that a component cannot do without: it starts before the component, stops after it, and is exchanged with it. */
export interface ExtensionUse {
  /** As in `service::extensions`. */
  readonly id: string;
  readonly role: ExtensionRole;
  /** Where the component's config names it, for a fault. */
  readonly path: readonly string[];
}
