import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import type { ZodType } from "zod";
import type { Catalog } from "../config/catalog.ts";
import { renderFaults } from "../config/fault.ts";
import { isSecretAt } from "../config/issues.ts";
import { loadConfig } from "../config/load.ts";
import { type ConfigNode, toPlain } from "../config/node.ts";
import { serviceSchema } from "../config/service.ts";
import { registry } from "../registry.ts";
import type { Command } from "./command.ts";
import { CONFIG_OPTIONS, configUsage } from "./config_args.ts";

const REDACTED = "[REDACTED]";

/** Prints the configuration as the agent sees it: merged and expanded, without defaults. */
export const printConfig: Command = async ({ args, env, stdout, stderr }) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...CONFIG_OPTIONS,
      format: { type: "string", default: "yaml" },
      mode: { type: "string", default: "redacted" },
      validate: { type: "string", default: "true" },
    },
  });
  const { format, mode, validate } = values;
  if (values.help === true) {
    const more = [
      "  --format    yaml (default) or json",
      "  --mode      redacted (default) or unredacted: whether secrets are shown",
      "  --validate  true (default) or false: whether a faulty configuration is printed too",
    ];
    stdout.write(configUsage("print-config", "Prints the merged and expanded configuration.", more));
    return 0;
  }
  oneOf("format", format, ["yaml", "json"]);
  oneOf("mode", mode, ["redacted", "unredacted"]);
  oneOf("validate", validate, ["true", "false"]);
  const loaded = await loadConfig(
    { uris: values.config ?? [], sets: values.set ?? [], env, readFile },
    registry,
  );
  if (!loaded.ok && (validate === "true" || loaded.tree === undefined)) {
    stderr.write(renderFaults(loaded.faults));
    return 1;
  }
  if (loaded.tree === undefined) return 1;
  const plain = mode === "unredacted" ? toPlain(loaded.tree) : await redact(loaded.tree, registry);
  stdout.write(format === "json" ? `${JSON.stringify(plain, null, 2)}\n` : stringify(plain));
  return 0;
};

function oneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new Error(`--${name} must be ${allowed.join(" or ")}, got "${value}"`);
}

async function redact(tree: ConfigNode, catalog: Catalog): Promise<unknown> {
  if (tree.kind !== "map") return toPlain(tree);
  const plain: Record<string, unknown> = {};
  for (const [section, { value }] of tree.entries) {
    if (section === "service") plain[section] = redactNode(value, serviceSchema, []);
    else if (value.kind !== "map") plain[section] = toPlain(value);
    else {
      const components: Record<string, unknown> = {};
      for (const [id, entry] of value.entries) {
        const schema = await schemaOf(catalog, section, id);
        // What an unknown component keeps secret cannot be known.
        components[id] = schema === undefined ? REDACTED : redactNode(entry.value, schema, []);
      }
      plain[section] = components;
    }
  }
  return plain;
}

async function schemaOf(catalog: Catalog, section: string, id: string): Promise<ZodType | undefined> {
  const type = id.trim().split("/", 1)[0] ?? "";
  const entries = Object.entries(catalog).find(([name]) => name === section)?.[1] as
    | Catalog[keyof Catalog]
    | undefined;
  const found = Object.entries(entries ?? {}).find(
    ([name, entry]) => name === type || entry.aliases.includes(type),
  );
  return (await found?.[1].load())?.schema;
}

function redactNode(node: ConfigNode, schema: ZodType, path: readonly (string | number)[]): unknown {
  if (isSecretAt(schema, path)) return REDACTED;
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map((item, index) => redactNode(item, schema, [...path, index]));
    case "map":
      return Object.fromEntries(
        [...node.entries].map(([key, { value }]) => [key, redactNode(value, schema, [...path, key])]),
      );
  }
}
