import type { Catalog } from "./catalog.ts";
import { typeOf } from "./components.ts";
import { type ConfigNode, type Entry, type MapNode, nodeAt } from "./node.ts";
import { keysAt, placeAt } from "./schema_place.ts";
import { parseDuration } from "./values.ts";

/** Options of the processor, and what they are called where exporters make batches. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["timeout", "flush_timeout"],
  ["send_batch_size", "min_size"],
  ["send_batch_max_size", "max_size"],
]);

/**
 * Exporters make batches themselves, and the Collector's processor `batch` is an older way to tell them how: what it
 * says is added to those exporters of its pipelines that say nothing of their own. Returns the tree with it.
 */
export async function withBatchProcessors(tree: ConfigNode, catalog: Catalog): Promise<ConfigNode> {
  const pipelines = nodeAt(tree, ["service", "pipelines"]);
  if (pipelines?.kind !== "map") return tree;
  let told = tree;
  for (const { value: pipeline } of pipelines.entries.values()) {
    const batch = idsIn(pipeline, "processors")
      .filter((id) => id.split("/")[0]?.trim() === "batch")
      .map((id) => nodeAt(tree, ["processors", id]))
      .find((node) => node?.kind === "map");
    if (batch?.kind !== "map") continue;
    const options = optionsOf(batch);
    for (const id of idsIn(pipeline, "exporters"))
      if (await makesBatches(id, catalog))
        told = withDefaults(told, ["exporters", id, "sending_queue"], "batch", options);
  }
  return told;
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

async function makesBatches(id: string, { exporters }: Catalog): Promise<boolean> {
  const found = typeOf(id, exporters);
  if (typeof found === "string") return false;
  const { schema } = await found.entry.load();
  return keysAt(placeAt(schema, ["sending_queue"])).includes("batch");
}

/** What is faulty stays behind: the processor's own schema says so, once. */
function optionsOf(batch: MapNode): MapNode {
  const entries = new Map<string, Entry>();
  for (const [key, entry] of batch.entries) {
    const name = OPTIONS.get(key);
    if (name === undefined || entry.value.kind !== "scalar") continue;
    const { value } = entry.value;
    const number = key === "timeout" ? parseDuration(String(value)) : value;
    if (typeof number !== "number") continue;
    // Exporters always wait a little; and a request has a largest size here.
    if (key === "timeout" && number === 0)
      entries.set(name, { ...entry, value: { ...entry.value, value: "1ms" } });
    else if (key !== "send_batch_max_size" || number !== 0) entries.set(name, entry);
  }
  return { ...batch, entries };
}

/** The tree with `value` under `key` at `path`, unless something is there; maps on the way are made where they lack. */
function withDefaults(tree: ConfigNode, path: readonly string[], key: string, value: MapNode): ConfigNode {
  const [step, ...rest] = path;
  if (tree.kind !== "map") return tree;
  if (step === undefined)
    return tree.entries.has(key) ? tree : withEntry(tree, key, { keyOrigin: value.origin, value });
  const entry = tree.entries.get(step) ?? {
    keyOrigin: value.origin,
    value: { ...value, entries: new Map() },
  };
  return withEntry(tree, step, { ...entry, value: withDefaults(entry.value, rest, key, value) });
}

function withEntry(map: MapNode, key: string, entry: Entry): MapNode {
  return { ...map, entries: new Map([...map.entries, [key, entry]]) };
}
