import { z } from "zod";
import type { CatalogSection } from "../config/catalog.ts";
import { serviceSchema } from "../config/service.ts";
import { registry } from "../registry.ts";
import type { Command } from "./command.ts";

/** Prints a JSON Schema of the whole configuration: an editor then completes keys and marks faults. */
export const schema: Command = async ({ stdout }) => {
  const { receivers, processors, exporters, extensions } = registry;
  const whole = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "kata-collector configuration",
    type: "object",
    additionalProperties: false,
    required: ["receivers", "exporters", "service"],
    properties: {
      receivers: await sectionSchema(receivers),
      processors: await sectionSchema(processors),
      exporters: await sectionSchema(exporters),
      extensions: await sectionSchema(extensions),
      service: inputSchema(serviceSchema),
    },
  };
  stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
  return 0;
};

/** A map of ids: each is a type or an older name of it, alone or with `/name`. An empty value means the defaults. */
async function sectionSchema(section: CatalogSection<{ readonly schema: z.ZodType }>): Promise<object> {
  const patternProperties: Record<string, object> = {};
  for (const [type, entry] of Object.entries(section)) {
    const { schema: component } = await entry.load();
    const pattern = `^(${[type, ...entry.aliases].join("|")})(/.+)?$`;
    patternProperties[pattern] = { anyOf: [inputSchema(component), { type: "null" }] };
  }
  return { type: ["object", "null"], additionalProperties: false, patternProperties };
}

function inputSchema(component: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(component, { io: "input", unrepresentable: "any" });
  return rest;
}
