// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Remarking } from "../component/factory.ts";
import type { ComponentConfig } from "./agent_config.ts";
import type { Catalog, CatalogEntry, CatalogSection } from "./catalog.ts";
import type { ConfigOrigin } from "./fault.ts";
import type { FaultList } from "./fault_list.ts";
import { parseId } from "./ids.ts";
import { isNull, type MapNode, nodeAt } from "./node.ts";
import { checkNode } from "./schema_faults.ts";
import { didYouMean } from "./suggestion.ts";

/** A section of a config that lists components of one kind. */
export type ConfigSection = keyof Catalog;
export const SECTIONS: readonly ConfigSection[] = ["receivers", "processors", "exporters", "extensions"];

/** The result of checking one section. */
export interface CheckedSection<F> {
  /** The components without a fault, by id. */
  readonly components: ReadonlyMap<string, ComponentConfig<F>>;
  /** The place of each id in the section, including the ids of components with faults. */
  readonly origins: ReadonlyMap<string, ConfigOrigin>;
}

/** Checks every component of a section against its schema. Imports the code of these components only. */
export async function checkSection<F extends { readonly schema: ZodType }>(
  section: ConfigSection,
  catalog: CatalogSection<F>,
  faults: FaultList,
): Promise<CheckedSection<F>> {
  const components = new Map<string, ComponentConfig<F>>();
  const origins = new Map<string, ConfigOrigin>();
  const olderNames = new Set<string>();
  const checks = [...(sectionMap(section, faults)?.entries ?? [])].map(async ([key, entry]) => {
    const { keyOrigin, value: node } = entry;
    const id = key.trim();
    const found = typeOf(id, catalog);
    if (typeof found === "string") faults.add([section, key], found, keyOrigin);
    const factory = typeof found === "string" ? undefined : await found.entry.load();
    faults.secretLines.add(node, factory?.schema);
    if (origins.has(id)) {
      faults.add([section, key], `duplicate name "${id}" after unmarshaling`, keyOrigin);
      return;
    }
    origins.set(id, keyOrigin);
    if (typeof found === "string" || factory === undefined) return;
    if (found.writtenType !== found.type && !olderNames.has(found.writtenType)) {
      olderNames.add(found.writtenType);
      const message = `"${found.writtenType}" is an older name of "${found.type}"; both work`;
      faults.warn([section, key], message, keyOrigin);
    }
    const checked = checkNode<unknown>(faults.tree, [section, key], factory.schema);
    faults.all.push(...checked.faults);
    if (checked.faults.length > 0) return;
    components.set(id, { id, type: found.type, factory, config: checked.value });
    for (const { path, message } of (factory as Remarking).remarks?.(checked.value) ?? [])
      faults.warn([section, key, ...path], message);
  });
  await Promise.all(checks);
  return { components, origins };
}

function sectionMap(section: ConfigSection, faults: FaultList): MapNode | undefined {
  const node = nodeAt(faults.tree, [section]);
  if (node === undefined || isNull(node) || node.kind === "map") {
    return node?.kind === "map" ? node : undefined;
  }
  return faults.add([section], `must be a map of component ids, got a ${node.kind}`);
}

interface Found<F> {
  /** The type's name in the registry. */
  readonly type: string;
  readonly writtenType: string;
  readonly entry: CatalogEntry<F>;
}

/** Returns the catalog's entry for an id, or a text that says why there is none. */
export function typeOf<F>(id: string, catalog: CatalogSection<F>): Found<F> | string {
  const parsed = parseId(id);
  if (typeof parsed === "string") return parsed;
  const { type: writtenType } = parsed;
  for (const [type, entry] of Object.entries(catalog)) {
    if (type === writtenType || entry.aliases.includes(writtenType)) return { type, writtenType, entry };
  }
  const known = Object.keys(catalog).sort();
  const help = didYouMean(writtenType, known);
  return `unknown type: "${writtenType}" for id: "${id}" (valid values: [${known.join(" ")}])${help}`;
}
