// SPDX-License-Identifier: Apache-2.0
import type { AgentConfig } from "./agent_config.ts";
import type { Catalog } from "./catalog.ts";
import { checkConfig } from "./check.ts";
import { expandTree } from "./expand.ts";
import { withExporterDefaults } from "./exporter_defaults.ts";
import type { Fault } from "./fault.ts";
import { Foreign } from "./foreign.ts";
import { type ConfigNode, isNull, mergeNodes } from "./node.ts";
import { reservedKeyFaults } from "./reserved_key.ts";
import { SecretLines } from "./secrets.ts";
import { type ConfigSource, readSources } from "./source.ts";

/**
 * The result of loading. `tree` is the merged and expanded config, for printing; it is missing if there is no
 * `--config`, if a source cannot be read or parsed or is no map, or if all sources are empty.
 */
export type LoadResult = { readonly warnings: readonly Fault[] } & (
  | { readonly ok: true; readonly config: AgentConfig; readonly tree: ConfigNode }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly tree?: ConfigNode }
);

/** Reads, merges, expands and checks a config. It never rejects: everything that is wrong is among the faults. */
export async function loadConfig(source: ConfigSource, catalog: Catalog): Promise<LoadResult> {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const merged = await readMerged(source, faults);
  if (merged === undefined) return { ok: false, faults, warnings };
  const { env } = source;
  const foreign = new Foreign();
  const expanded = await expandTree(merged, { env, readFile: source.readFile, faults, warnings, foreign });
  faults.push(...reservedKeyFaults(expanded));
  const tree = await withExporterDefaults(expanded, catalog);
  const secretLines = new SecretLines();
  const checked = await checkConfig(tree, catalog, secretLines);
  // A place where the expansion failed, or a key is not allowed, gets no further fault.
  const reported = new Set(faults.map(({ origin }) => origin));
  faults.push(...checked.faults.filter(({ origin }) => !reported.has(origin)));
  warnings.push(...checked.warnings);
  const asShown = (fault: Fault): Fault =>
    foreign.hide(secretLines.hide(fault), tree, (node) => secretLines.isKnown(node));
  const shown = { faults: faults.map(asShown), warnings: warnings.map(asShown) };
  if (faults.length > 0 || checked.config === undefined) return { ok: false, ...shown, tree };
  const config = { ...checked.config, concealed: foreign.concealed };
  return { ok: true, config, warnings: shown.warnings, tree };
}

async function readMerged(source: ConfigSource, faults: Fault[]): Promise<ConfigNode | undefined> {
  if (source.uris.length === 0) {
    const message = "at least one config flag must be provided: --config <file>";
    faults.push({ origin: undefined, path: [], message });
    return undefined;
  }
  const trees = await readSources(source, faults);
  for (const { kind, origin } of trees.filter((tree) => tree.kind !== "map" && !isNull(tree))) {
    faults.push({ origin, path: [], message: `a config must be a map at its top, got a ${kind}` });
  }
  const maps = trees.filter((tree) => tree.kind === "map");
  if (faults.length === 0 && maps.length === 0) {
    faults.push({ origin: trees[0]?.origin, path: [], message: "empty configuration file" });
  }
  return faults.length > 0 ? undefined : maps.reduce<ConfigNode | undefined>(mergedWith, undefined);
}

function mergedWith(under: ConfigNode | undefined, over: ConfigNode): ConfigNode {
  return under === undefined ? over : mergeNodes(under, over);
}
