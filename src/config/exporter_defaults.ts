// SPDX-License-Identifier: Apache-2.0
import type { ExporterDefaults } from "../component/factory.ts";
import type { Catalog } from "./catalog.ts";
import { typeOf } from "./components.ts";
import { type ConfigNode, type MapEntry, type MapNode, nodeAt } from "./node.ts";
import { keysAt, placeAt } from "./schema_place.ts";

/**
 * Returns the tree with the defaults that processors have for the exporters of their pipelines
 * (`ProcessorFactory.exporterDefaults`): if an exporter has the option at `exporterDefaults.path`, and the user has not
 * written that option, the exporter gets the processor's options as its value.
 */
export async function withExporterDefaults(tree: ConfigNode, catalog: Catalog): Promise<ConfigNode> {
  const pipelines = nodeAt(tree, ["service", "pipelines"]);
  if (pipelines?.kind !== "map") return tree;
  let result = tree;
  for (const { value: pipeline } of pipelines.entries.values()) {
    const given = await firstGiven(tree, idsIn(pipeline, "processors"), catalog);
    if (given === undefined) continue;
    for (const id of idsIn(pipeline, "exporters"))
      if (await hasOption(id, given.path, catalog))
        result = withDefault(result, ["exporters", id, ...given.path], given.options);
  }
  return result;
}

interface Given {
  readonly path: readonly string[];
  readonly options: MapNode;
}

/** Returns the defaults of the first processor that has any. */
async function firstGiven(
  tree: ConfigNode,
  ids: readonly string[],
  { processors }: Catalog,
): Promise<Given | undefined> {
  for (const id of ids) {
    const found = typeOf(id, processors);
    const node = nodeAt(tree, ["processors", id]);
    if (typeof found === "string" || node?.kind !== "map") continue;
    const { exporterDefaults } = await found.entry.load();
    if (exporterDefaults === undefined) continue;
    return { path: exporterDefaults.path, options: translated(node, exporterDefaults) };
  }
  return undefined;
}

function idsIn(pipeline: ConfigNode, key: string): string[] {
  const node = nodeAt(pipeline, [key]);
  const items = node?.kind === "list" ? node.items : [node];
  return items.flatMap((item) =>
    item?.kind === "scalar" && typeof item.value === "string"
      ? item.value.split(",").map((id) => id.trim())
      : [],
  );
}

async function hasOption(id: string, path: readonly string[], { exporters }: Catalog): Promise<boolean> {
  const found = typeOf(id, exporters);
  if (typeof found === "string") return false;
  const { schema } = await found.entry.load();
  return keysAt(placeAt(schema, path.slice(0, -1))).includes(path.at(-1) ?? "");
}

/** Returns the processor's options under the exporter's names, without faulty ones: the processor's schema reports those. */
function translated(processor: MapNode, { translate }: ExporterDefaults): MapNode {
  const entries = new Map<string, MapEntry>();
  for (const [key, entry] of processor.entries) {
    if (entry.value.kind !== "scalar") continue;
    const meant = translate(key, entry.value.value);
    if (meant !== undefined)
      entries.set(meant.option, { ...entry, value: { ...entry.value, value: meant.value } });
  }
  return { ...processor, entries };
}

/**
 * Returns the tree with the value at `path`, unless there is one already. Makes maps for the keys of the path that are
 * missing.
 */
function withDefault(tree: ConfigNode, path: readonly string[], value: MapNode): ConfigNode {
  const [step, ...rest] = path;
  if (tree.kind !== "map" || step === undefined) return tree;
  if (rest.length === 0)
    return tree.entries.has(step) ? tree : withEntry(tree, step, { keyOrigin: value.origin, value });
  const entry = tree.entries.get(step) ?? {
    keyOrigin: value.origin,
    value: { ...value, entries: new Map() },
  };
  return withEntry(tree, step, { ...entry, value: withDefault(entry.value, rest, value) });
}

function withEntry(map: MapNode, key: string, entry: MapEntry): MapNode {
  return { ...map, entries: new Map([...map.entries, [key, entry]]) };
}
