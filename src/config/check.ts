// SPDX-License-Identifier: Apache-2.0
import { listening } from "../http/config.ts";
import type { CheckedConfig } from "./agent_config.ts";
import type { Catalog } from "./catalog.ts";
import { checkClaims } from "./claims.ts";
import { checkSection, SECTIONS } from "./components.ts";
import { didYouMean, type Fault } from "./fault.ts";
import { Findings } from "./findings.ts";
import { checkNode } from "./issues.ts";
import { type ConfigNode, nodeAt } from "./node.ts";
import { checkReferences } from "./pipelines.ts";
import type { SecretLines } from "./secrets.ts";
import { serviceSchema } from "./service.ts";
import { checkUses, pullReaderPath } from "./uses.ts";

export interface CheckResult {
  /** Undefined where there are faults. */
  readonly config: CheckedConfig | undefined;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

const TOP_KEYS: readonly string[] = [...SECTIONS, "connectors", "service"];

/**
 * Checks a merged and expanded tree against the components of this build. Finds all that is wrong, not the first, and
 * notes where secrets stand.
 */
export async function checkConfig(
  tree: ConfigNode,
  catalog: Catalog,
  secretLines: SecretLines,
): Promise<CheckResult> {
  const findings = new Findings(tree, secretLines);
  const { faults, warnings } = findings;
  checkTopKeys(findings);
  const [receivers, processors, exporters, extensions] = await Promise.all([
    checkSection("receivers", catalog.receivers, findings),
    checkSection("processors", catalog.processors, findings),
    checkSection("exporters", catalog.exporters, findings),
    checkSection("extensions", catalog.extensions, findings),
  ]);
  if (receivers.origins.size === 0) findings.fault([], "no receiver configuration specified in config");
  if (exporters.origins.size === 0) findings.fault([], "no exporter configuration specified in config");

  const node = nodeAt(tree, ["service"]);
  if (node !== undefined) secretLines.add(node, serviceSchema);
  const service = checkNode(tree, ["service"], serviceSchema);
  faults.push(...service.faults);
  const used = checkReferences(findings, {
    receivers: receivers.origins,
    processors: processors.origins,
    exporters: exporters.origins,
    extensions: extensions.origins,
  });
  const telemetry = service.value?.telemetry;
  const sections = { receivers, processors, exporters, extensions };
  checkUses(findings, { sections, telemetry }, used);
  for (const [index, reader] of telemetry?.metrics.readers.entries() ?? [])
    if (reader.kind === "pull")
      for (const { path, message } of listening.remarks(reader))
        findings.warn([...pullReaderPath(index), ...path], message);
  if (faults.length > 0 || service.value === undefined) return { config: undefined, faults, warnings };
  const config: CheckedConfig = {
    receivers: receivers.components,
    processors: processors.components,
    exporters: exporters.components,
    extensions: extensions.components,
    service: { ...service.value, pipelines: byName(service.value.pipelines) },
  };
  checkClaims(findings, config, used);
  return { config: faults.length > 0 ? undefined : config, faults, warnings };
}

function byName<T>(pipelines: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(Object.entries(pipelines).map(([name, pipeline]) => [name.trim(), pipeline]));
}

function checkTopKeys(findings: Findings): void {
  const { tree } = findings;
  if (tree.kind !== "map") return;
  for (const [key, { keyOrigin, value }] of tree.entries) {
    if (key === "connectors" && value.kind === "map" && value.entries.size > 0) {
      findings.fault([key], "this build has no connectors", keyOrigin);
    }
    if (TOP_KEYS.includes(key)) continue;
    const help = didYouMean(key, TOP_KEYS) || `; the keys are ${TOP_KEYS.join(", ")}`;
    findings.fault([], `unknown key "${key}"${help}`, keyOrigin);
    findings.secretLines.add(value, undefined);
  }
}
