// SPDX-License-Identifier: Apache-2.0
import type { ConfigSection } from "./components.ts";
import type { ConfigOrigin } from "./fault.ts";
import type { FaultList } from "./fault_list.ts";
import { parseId } from "./ids.ts";
import { toInput } from "./input.ts";
import { isNull, nodeAt, type Path } from "./node.ts";
import { placeOf } from "./schema_place.ts";
import { idsSchema } from "./service.ts";
import { didYouMean } from "./suggestion.ts";

/**
 * The ids of each section, including those of components with faults, since a reference to such a component is no
 * further fault.
 */
export type ConfiguredIds = Readonly<Record<ConfigSection, ReadonlyMap<string, ConfigOrigin>>>;

const PIPELINE_SECTIONS = ["receivers", "processors", "exporters"] as const;
/** The signals of the Collector other than metrics. */
const OTHER_SIGNALS: readonly string[] = ["logs", "profiles", "traces"];

/**
 * Checks the components that the service section refers to, and returns them as "receivers::kata". It reads the tree and
 * not the schema's result, so that a fault elsewhere in the section hides nothing.
 */
export function checkReferences(faults: FaultList, configured: ConfiguredIds): ReadonlySet<string> {
  const used = new Set<string>();
  /** Returns the number of ids at the path, or undefined if the value there is no list. */
  const check = (path: Path, section: ConfigSection): number | undefined => {
    const ids = idsAt(faults, path);
    const known = configured[section];
    for (const [index, id] of (ids ?? []).entries()) {
      if (typeof id !== "string") continue; // The schema reports an id that is no text.
      used.add(`${section}::${id}`);
      const reference = `references ${section.slice(0, -1)} "${id}"`;
      if (!known.has(id)) {
        const help = didYouMean(id, [...known.keys()]);
        faults.add([...path, index], `${reference} which is not configured${help}`);
      } else if (ids?.indexOf(id) !== index) {
        faults.add([...path, index], `${reference} multiple times`);
      }
    }
    return ids?.length;
  };

  check(["service", "extensions"], "extensions");
  const node = nodeAt(faults.tree, ["service", "pipelines"]);
  const names = node?.kind === "map" ? [...node.entries.keys()] : [];
  if (node === undefined || isNull(node) || (node.kind === "map" && names.length === 0)) {
    faults.add(["service", "pipelines"], "service must have at least one pipeline");
  }
  for (const name of names) {
    const path = ["service", "pipelines", name];
    checkName(faults, path, names);
    const [receivers, , exporters] = PIPELINE_SECTIONS.map((section) => check([...path, section], section));
    if (receivers === 0) faults.add(path, "must have at least one receiver");
    if (exporters === 0) faults.add(path, "must have at least one exporter");
  }

  for (const section of [...PIPELINE_SECTIONS, "extensions"] as const) {
    const where = section === "extensions" ? "not in service::extensions" : "in no pipeline";
    for (const [id, origin] of configured[section]) {
      if (used.has(`${section}::${id}`)) continue;
      faults.warn([section, id], `is ${where} and will not run`, origin);
    }
  }
  return used;
}

/**
 * Returns the ids at the path, or undefined if the value there is no list. A missing or null value is an empty list.
 */
function idsAt({ tree }: FaultList, path: Path): readonly unknown[] | undefined {
  const node = nodeAt(tree, path);
  if (node === undefined || isNull(node)) return [];
  const input = toInput(node, placeOf(idsSchema));
  return Array.isArray(input) ? input.map((id) => (typeof id === "string" ? id.trim() : id)) : undefined;
}

function checkName(faults: FaultList, path: Path, names: readonly string[]): void {
  const name = String(path.at(-1));
  const id = parseId(name);
  if (typeof id === "string") faults.add(path, id);
  else if (OTHER_SIGNALS.includes(id.type)) {
    faults.add(path, `this agent has metrics only: no pipeline for ${id.type}`);
  } else if (id.type !== "metrics") {
    const help = didYouMean(id.type, ["metrics"]);
    faults.add(path, `unknown signal "${id.type}"; a pipeline is "metrics" or "metrics/name"${help}`);
  } else if (names.find((other) => other.trim() === name.trim()) !== name) {
    faults.add(path, `duplicate name "${name.trim()}" after unmarshaling`);
  }
}
