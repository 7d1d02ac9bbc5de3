// SPDX-License-Identifier: Apache-2.0
import type { Identity } from "./page_checks.ts";

/** Stands in the values of labels that no guest may set; it must not come out on any way. */
export const FORGED_LABEL = "forged-label-66613666";
/** Stands in every HELP that a hostile page writes. */
export const FORGED_HELP = "Forged.";

/** What a backend itself says of a series by these: a guest that can set one speaks for somebody else. */
export const BACKEND_LABELS: readonly string[] = [
  ...["job", "instance", "namespace", "pod", "node", "container", "cluster", "tenant", "tenant_id"],
  ...["host", "host_name", "service", "service_name", "service_namespace", "service_instance_id", "endpoint"],
  ...["k8s_pod_name", "k8s_namespace_name", "prometheus", "prometheus_replica", "replica", "monitor"],
  ...["exported_job", "exported_instance", "otel_scope_name", "pod_name", "uid", "env", "region", "le"],
];

/** Families of which a HELP text must be nobody's but the agent's. */
const OF_GUESTS = /^kata_(guest|agent)_/;

/** What is wrong with what is said of a sandbox: by labels or attributes under the keys that the way out has for them. */
export function faultsOfIdentity(
  said: ReadonlyMap<string, string>,
  keys: Readonly<Record<keyof Identity, string>>,
  known: ReadonlyMap<string, Identity>,
): string[] {
  const id = said.get(keys.sandbox_id);
  const identity = known.get(id ?? "");
  if (identity === undefined) return [`speaks of sandbox ${JSON.stringify(id)}, which there is not`];
  // What the runtime does not know (yet) has no more than its id.
  return (["cri_uid", "cri_name", "cri_namespace"] as const).flatMap((part) => {
    const value = said.get(keys[part]) ?? "";
    return value === "" || value === identity[part] ? [] : [`says ${part} ${JSON.stringify(value)} of ${id}`];
  });
}

export function faultsOfHelp(name: string, help: string): string[] {
  return OF_GUESTS.test(name) && help.includes(FORGED_HELP) ? [`HELP of ${name} is a guest's: ${help}`] : [];
}

/** What a label or attribute must not be. */
export function faultsOfLabel(name: string, value: string): string[] {
  return value.includes(FORGED_LABEL) ? [`${name}=${JSON.stringify(value)} is a guest's`] : [];
}
