// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Catalog, CatalogSection } from "./catalog.ts";
import { type CompleteOptions, complete } from "./complete.ts";
import { SECTIONS, typeOf } from "./components.ts";
import { toInput, toShownInput } from "./input.ts";
import { type ConfigNode, isNull, nodeAt } from "./node.ts";
import { placeOf } from "./schema_place.ts";
import { REDACTED, withoutSecretParts } from "./secrets.ts";
import { serviceSchema } from "./service.ts";

/**
 * Returns the config as the agent understands it: merged, expanded and with every default. Secrets are redacted, and values
 * from variables and files are shown as their references, unless `options.unredacted` is set.
 */
export async function printableConfig(
  tree: ConfigNode,
  catalog: Catalog,
  options: CompleteOptions,
): Promise<Record<string, unknown>> {
  const config: Record<string, unknown> = {};
  for (const section of SECTIONS) {
    const node = nodeAt(tree, [section]);
    if (node?.kind !== "map") continue;
    if (node.reference !== undefined && !options.unredacted) {
      config[section] = withoutSecretParts(node.reference, false);
      continue;
    }
    const components: [id: string, value: unknown][] = [];
    for (const [id, { value }] of node.entries) {
      const schema = await schemaOf(id.trim(), catalog[section]);
      // Nobody knows which values of an unknown component are secret.
      components.push([id, schema === undefined ? REDACTED : printable(value, schema, options)]);
    }
    config[section] = Object.fromEntries(components);
  }
  config["service"] = printable(nodeAt(tree, ["service"]), serviceSchema, options);
  return config;
}

async function schemaOf(
  id: string,
  catalog: CatalogSection<{ readonly schema: ZodType }>,
): Promise<ZodType | undefined> {
  const found = typeOf(id, catalog);
  return typeof found === "string" ? undefined : (await found.entry.load()).schema;
}

function printable(node: ConfigNode | undefined, schema: ZodType, options: CompleteOptions): unknown {
  const input =
    node === undefined || isNull(node)
      ? {}
      : (options.unredacted ? toInput : toShownInput)(node, placeOf(schema));
  return complete(input, schema, options);
}
