// SPDX-License-Identifier: Apache-2.0
import type { Identity } from "./page_checks.ts";

/** The value of labels that no guest may set. It must be in no page and no request. */
export const FORGED_LABEL = "forged-label-66613666";
/** A word in every HELP of a hostile page. */
export const FORGED_HELP = "Forged.";

/** Labels that a backend sets itself: a guest that could set one would speak for another sandbox or target. */
export const BACKEND_LABELS: readonly string[] = [
  ...["job", "instance", "namespace", "pod", "node", "container", "cluster", "tenant", "tenant_id"],
  ...["host", "host_name", "service", "service_name", "service_namespace", "service_instance_id", "endpoint"],
  ...["k8s_pod_name", "k8s_namespace_name", "prometheus", "prometheus_replica", "replica", "monitor"],
  ...["exported_job", "exported_instance", "otel_scope_name", "pod_name", "uid", "env", "region", "le"],
];

/** Families whose HELP only the agent may write. */
const OF_GUESTS = /^kata_(guest|agent)_/;

/** Returns the faults of a sandbox's identity in a request, which is in labels or attributes with the keys `keys`. */
export function faultsOfIdentity(
  said: ReadonlyMap<string, string>,
  keys: Readonly<Record<keyof Identity, string>>,
  known: ReadonlyMap<string, Identity>,
): string[] {
  const id = said.get(keys.sandbox_id);
  const identity = known.get(id ?? "");
  if (identity === undefined) return [`speaks of sandbox ${JSON.stringify(id)}, which there is not`];
  // A sandbox that the runtime does not know (yet) has its id only.
  return (["cri_uid", "cri_name", "cri_namespace"] as const).flatMap((part) => {
    const value = said.get(keys[part]) ?? "";
    return value === "" || value === identity[part] ? [] : [`says ${part} ${JSON.stringify(value)} of ${id}`];
  });
}

export function faultsOfHelp(name: string, help: string): string[] {
  return OF_GUESTS.test(name) && help.includes(FORGED_HELP) ? [`HELP of ${name} is a guest's: ${help}`] : [];
}

/** Returns the fault of a label or attribute that no guest may set. */
export function faultsOfLabel(name: string, value: string): string[] {
  return value.includes(FORGED_LABEL) ? [`${name}=${JSON.stringify(value)} is a guest's`] : [];
}
