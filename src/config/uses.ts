// SPDX-License-Identifier: Apache-2.0
import type { ExtensionRole, ExtensionUse } from "../component/extension_use.ts";
import type { Using } from "../component/factory.ts";
import { listening } from "../http_server/config.ts";
import type { TelemetryConfig } from "../telemetry/config.ts";
import type { CheckedSection, ConfigSection } from "./components.ts";
import type { FaultList } from "./fault_list.ts";
import type { Path } from "./node.ts";
import { didYouMean } from "./suggestion.ts";

type Sections = Readonly<Record<ConfigSection, CheckedSection<unknown>>>;

const WRONG_ROLE: Readonly<Record<ExtensionRole, string>> = {
  storage: "which keeps no queues; a file_storage does",
  http_authenticator: "which is no authenticator",
  grpc_authenticator: "which is no authenticator",
  server_authenticator:
    "which asks no request for credentials; a basicauth with htpasswd or a bearertokenauth does",
};
const SERVER_ONLY = "which is for listeners; a basicauth with client_auth gives requests credentials";
const HTTP_ONLY = "which serves HTTP requests only, not calls of gRPC; use otlp_http";

/** Returns the path of a pull reader's options in a config. */
export function pullReaderPath(index: number): Path {
  return ["service", "telemetry", "metrics", "readers", index, "pull", "exporter", "prometheus"];
}

/**
 * Checks each extension that a component names in its config: whether it runs, and has the role that the component needs.
 * `used` has the components that the service section refers to.
 */
export function checkUses(
  faults: FaultList,
  { sections, telemetry }: { readonly sections: Sections; readonly telemetry: TelemetryConfig | undefined },
  used: ReadonlySet<string>,
): void {
  const check = (uses: readonly ExtensionUse[], at: Path): void => {
    for (const use of uses) {
      const fault = faultOf(use, sections.extensions, used);
      if (fault !== undefined) faults.add([...at, ...use.path], `references extension "${use.id}" ${fault}`);
    }
  };
  for (const section of ["exporters", "extensions"] as const)
    for (const [id, { factory, config }] of sections[section].components)
      check((factory as Using).uses?.(config) ?? [], [section, id]);
  for (const [index, reader] of telemetry?.metrics.readers.entries() ?? [])
    if (reader.kind === "pull") check(listening.uses(reader), pullReaderPath(index));
}

function faultOf(
  { id, role }: ExtensionUse,
  { origins, components }: CheckedSection<unknown>,
  used: ReadonlySet<string>,
): string | undefined {
  if (!origins.has(id)) return `which is not configured${didYouMean(id, [...origins.keys()])}`;
  if (!used.has(`extensions::${id}`)) return "which is not in service::extensions";
  const found = components.get(id);
  // `components` lacks an extension that has a fault of its own, so its roles are not known.
  if (found === undefined) return undefined;
  const roles = (found.factory as Using).roles?.(found.config) ?? [];
  if (roles.includes(role)) return undefined;
  if (role !== "storage" && roles.includes("server_authenticator")) return SERVER_ONLY;
  return role === "grpc_authenticator" && roles.includes("http_authenticator") ? HTTP_ONLY : WRONG_ROLE[role];
}
