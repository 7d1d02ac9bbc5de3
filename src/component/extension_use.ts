// SPDX-License-Identifier: Apache-2.0
/**
 * The ways in which other components can use an extension:
 *
 * - "storage": to keep queues on disk;
 * - "http_authenticator", "grpc_authenticator": to add credentials to the requests that an exporter sends;
 * - "server_authenticator": to check the credentials of the requests that a listener gets.
 */
export type ExtensionRole = "storage" | "http_authenticator" | "grpc_authenticator" | "server_authenticator";

/**
 * An extension that a component needs.
 *
 * - Extensions start before all other components and stop after them. Among themselves, they start in the order of
 *   `service::extensions` and stop at the same time.
 * - A reload that exchanges the extension exchanges the component too.
 */
export interface ExtensionUse {
  /** The extension's id in `service::extensions`. */
  readonly id: string;
  readonly role: ExtensionRole;
  /** The path in the component's config that names the extension, for a fault. */
  readonly path: readonly string[];
}
