// SPDX-License-Identifier: Apache-2.0
import type { ReloadOutcome } from "../../component/reload.ts";
import type { ComponentStatus } from "../../component/status.ts";
import type { StatusTree } from "./health.ts";

/** Returns the tree with the field names of the Collector's health_check v2. Leaves out its parts unless `verbose`. */
export function statusJson(tree: StatusTree, { verbose }: { readonly verbose: boolean }): object {
  const { isHealthy, status, component, parts, reload } = tree;
  const entries = Object.entries(parts);
  return {
    healthy: isHealthy,
    status,
    ...(component === undefined ? {} : componentJson(component)),
    ...(verbose && component === undefined
      ? { components: Object.fromEntries(entries.map(([key, part]) => [key, statusJson(part, { verbose })])) }
      : {}),
    ...(reload === undefined ? {} : { config: reloadJson(reload) }),
  };
}

/**
 * Returns the fields of a component. Writes `needs_restart` only where it is true, since the Collector has no such
 * field.
 */
function componentJson({ sinceMs, error, needsRestart }: ComponentStatus): object {
  return {
    status_time: new Date(sinceMs).toISOString(),
    ...(error === "" ? {} : { error }),
    ...(needsRestart ? { needs_restart: true } : {}),
  };
}

function reloadJson({ ok, faults, atMs }: ReloadOutcome): object {
  return { reloaded: ok, time: new Date(atMs).toISOString(), faults };
}
