// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Remarking } from "../component/factory.ts";
import type { ComponentConfig } from "./agent_config.ts";
import type { Catalog, CatalogEntry, CatalogSection } from "./catalog.ts";
import { didYouMean, type Origin } from "./fault.ts";
import type { Findings } from "./findings.ts";
import { parseId } from "./ids.ts";
import { checkNode } from "./issues.ts";
import { isNull, type MapNode, nodeAt } from "./node.ts";

export type Section = keyof Catalog;
export const SECTIONS: readonly Section[] = ["receivers", "processors", "exporters", "extensions"];

/** The components of one section: those without a fault, and all ids that are taken, with their places. */
export interface CheckedSection<F> {
  readonly components: ReadonlyMap<string, ComponentConfig<F>>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** Checks every component of a section; their code is imported now, and only theirs. */
export async function checkSection<F extends { readonly schema: ZodType }>(
  section: Section,
  catalog: CatalogSection<F>,
  findings: Findings,
): Promise<CheckedSection<F>> {
  const components = new Map<string, ComponentConfig<F>>();
  const origins = new Map<string, Origin>();
  const olderNames = new Set<string>();
  const checks = [...(sectionMap(section, findings)?.entries ?? [])].map(async ([key, entry]) => {
    const { keyOrigin, value: node } = entry;
    const id = key.trim();
    const found = typeOf(id, catalog);
    if (typeof found === "string") findings.fault([section, key], found, keyOrigin);
    const factory = typeof found === "string" ? undefined : await found.entry.load();
    findings.secretLines.add(node, factory?.schema);
    if (origins.has(id)) {
      findings.fault([section, key], `duplicate name "${id}" after unmarshaling`, keyOrigin);
      return;
    }
    origins.set(id, keyOrigin);
    if (typeof found === "string" || factory === undefined) return;
    if (found.writtenType !== found.type && !olderNames.has(found.writtenType)) {
      olderNames.add(found.writtenType);
      const message = `"${found.writtenType}" is an older name of "${found.type}"; both work`;
      findings.warn([section, key], message, keyOrigin);
    }
    const { value, faults } = checkNode<unknown>(findings.tree, [section, key], factory.schema);
    findings.faults.push(...faults);
    if (faults.length > 0) return;
    components.set(id, { id, type: found.type, factory, config: value });
    for (const { path, message } of (factory as Remarking).remarks?.(value) ?? [])
      findings.warn([section, key, ...path], message);
  });
  await Promise.all(checks);
  return { components, origins };
}

function sectionMap(section: Section, findings: Findings): MapNode | undefined {
  const node = nodeAt(findings.tree, [section]);
  if (node === undefined || isNull(node) || node.kind === "map") {
    return node?.kind === "map" ? node : undefined;
  }
  return findings.fault([section], `must be a map of component ids, got a ${node.kind}`);
}

interface Found<F> {
  /** As the registry has it. */
  readonly type: string;
  readonly writtenType: string;
  readonly entry: CatalogEntry<F>;
}

/** The catalog's entry for an id; a text says why there is none. */
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
