import type { Using } from "../component/component.ts";
import type { ExtensionRole, ExtensionUse } from "../component/extension_use.ts";
import type { CheckedSection, Section } from "./components.ts";
import { didYouMean } from "./fault.ts";
import type { Findings } from "./findings.ts";

type Sections = Readonly<Record<Section, CheckedSection<unknown>>>;

const WRONG_ROLE: Readonly<Record<ExtensionRole, string>> = {
  storage: "which keeps no queues; a file_storage does",
  http_authenticator: "which is no authenticator",
  grpc_authenticator: "which is no authenticator",
  server_authenticator:
    "which asks no request for credentials; a basicauth with htpasswd or a bearertokenauth does",
};
const SERVER_ONLY = "which is for listeners; a basicauth with client_auth gives requests credentials";
const HTTP_ONLY = "which serves HTTP requests only, not calls of gRPC; use otlp_http";

/**
 * Checks that each extension that a component names in its config runs, and is what the component takes it for. `used`
 * has what the service section refers to.
 */
export function checkUses(findings: Findings, sections: Sections, used: ReadonlySet<string>): void {
  for (const section of ["exporters", "extensions"] as const) {
    for (const [id, { factory, config }] of sections[section].components) {
      for (const use of (factory as Using).uses?.(config) ?? []) {
        const fault = faultOf(use, sections.extensions, used);
        const path = [section, id, ...use.path];
        if (fault !== undefined) findings.fault(path, `references extension "${use.id}" ${fault}`);
      }
    }
  }
}

function faultOf(
  { id, role }: ExtensionUse,
  { origins, components }: CheckedSection<unknown>,
  used: ReadonlySet<string>,
): string | undefined {
  if (!origins.has(id)) return `which is not configured${didYouMean(id, [...origins.keys()])}`;
  if (!used.has(`extensions::${id}`)) return "which is not in service::extensions";
  const found = components.get(id);
  // One with a fault of its own is not there; what it could be is not known then.
  if (found === undefined) return undefined;
  const roles = (found.factory as Using).roles?.(found.config) ?? [];
  if (roles.includes(role)) return undefined;
  if (role !== "storage" && roles.includes("server_authenticator")) return SERVER_ONLY;
  return role === "grpc_authenticator" && roles.includes("http_authenticator") ? HTTP_ONLY : WRONG_ROLE[role];
}
