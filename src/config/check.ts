// SPDX-License-Identifier: Apache-2.0
import type { Claiming } from "../component/factory.ts";
import { listening } from "../http_server/config.ts";
import type { TelemetryConfig } from "../telemetry/config.ts";
import type { CheckedConfig } from "./agent_config.ts";
import type { Catalog } from "./catalog.ts";
import { checkSection, SECTIONS } from "./components.ts";
import type { Fault } from "./fault.ts";
import { FaultList } from "./fault_list.ts";
import { type ConfigNode, nodeAt } from "./node.ts";
import { checkReferences } from "./pipelines.ts";
import { checkNode } from "./schema_faults.ts";
import type { SecretLines } from "./secrets.ts";
import { serviceSchema } from "./service.ts";
import { didYouMean } from "./suggestion.ts";
import { checkUses, pullReaderPath } from "./uses.ts";

export interface CheckResult {
  /** Undefined if there are faults. */
  readonly config: CheckedConfig | undefined;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

const TOP_KEYS: readonly string[] = [...SECTIONS, "connectors", "service"];

/**
 * Checks a merged and expanded tree against the components of this build. It finds all faults, not only the first, and
 * adds to `secretLines` each line that holds a secret.
 */
export async function checkConfig(
  tree: ConfigNode,
  catalog: Catalog,
  secretLines: SecretLines,
): Promise<CheckResult> {
  const faults = new FaultList(tree, secretLines);
  checkTopKeys(faults);
  const [receivers, processors, exporters, extensions] = await Promise.all([
    checkSection("receivers", catalog.receivers, faults),
    checkSection("processors", catalog.processors, faults),
    checkSection("exporters", catalog.exporters, faults),
    checkSection("extensions", catalog.extensions, faults),
  ]);
  if (receivers.origins.size === 0) faults.add([], "no receiver configuration specified in config");
  if (exporters.origins.size === 0) faults.add([], "no exporter configuration specified in config");

  const node = nodeAt(tree, ["service"]);
  if (node !== undefined) secretLines.add(node, serviceSchema);
  const service = checkNode(tree, ["service"], serviceSchema);
  faults.all.push(...service.faults);
  const used = checkReferences(faults, {
    receivers: receivers.origins,
    processors: processors.origins,
    exporters: exporters.origins,
    extensions: extensions.origins,
  });
  const telemetry = service.value?.telemetry;
  const sections = { receivers, processors, exporters, extensions };
  checkUses(faults, { sections, telemetry }, used);
  warnOfPullReaders(faults, telemetry);
  const { all, warnings } = faults;
  if (all.length > 0 || service.value === undefined) return { config: undefined, faults: all, warnings };

  const config: CheckedConfig = {
    receivers: receivers.components,
    processors: processors.components,
    exporters: exporters.components,
    extensions: extensions.components,
    service: { ...service.value, pipelines: byName(service.value.pipelines) },
  };
  checkClaims(faults, config, used);
  return { config: all.length > 0 ? undefined : config, faults: all, warnings };
}

function byName<T>(pipelines: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(Object.entries(pipelines).map(([name, pipeline]) => [name.trim(), pipeline]));
}

function checkTopKeys(faults: FaultList): void {
  const { tree } = faults;
  if (tree.kind !== "map") return;
  for (const [key, { keyOrigin, value }] of tree.entries) {
    if (key === "connectors" && value.kind === "map" && value.entries.size > 0) {
      faults.add([key], "this build has no connectors", keyOrigin);
    }
    if (TOP_KEYS.includes(key)) continue;
    const help = didYouMean(key, TOP_KEYS) || `; the keys are ${TOP_KEYS.join(", ")}`;
    faults.add([], `unknown key "${key}"${help}`, keyOrigin);
    faults.secretLines.add(value, undefined);
  }
}

/** Adds the warnings about the listeners of the agent's own metrics. */
function warnOfPullReaders(faults: FaultList, telemetry: TelemetryConfig | undefined): void {
  for (const [index, reader] of telemetry?.metrics.readers.entries() ?? [])
    if (reader.kind === "pull")
      for (const { path, message } of listening.remarks(reader))
        faults.warn([...pullReaderPath(index), ...path], message);
}

/** Checks that no two components that run claim the same thing, such as a file or a root. */
function checkClaims(faults: FaultList, config: CheckedConfig, used: ReadonlySet<string>): void {
  const holders = new Map<string, string>();
  for (const section of SECTIONS) {
    for (const [id, { factory, config: options }] of config[section]) {
      const name = `${section}::${id}`;
      const claims = used.has(name) ? ((factory as Claiming).claims?.(options) ?? []) : [];
      for (const claim of claims) {
        const holder = holders.get(claim);
        if (holder === undefined) holders.set(claim, name);
        else faults.add([section, id], `${claim} is that of ${holder} already`);
      }
    }
  }
}
