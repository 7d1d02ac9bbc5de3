// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { Catalog, CatalogSection } from "./catalog.ts";
import { serviceSchema } from "./service.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
/** In a written config, any value can be a reference. */
const REFERENCE: JsonSchema = { $ref: "#/$defs/reference" };

/** Returns a JSON Schema (draft 2020-12) of the configs that users of this build write, for editors. */
export async function configJsonSchema(catalog: Catalog): Promise<JsonSchema> {
  const [receivers, processors, exporters, extensions] = await Promise.all([
    sectionSchema(catalog.receivers),
    sectionSchema(catalog.processors),
    sectionSchema(catalog.exporters),
    sectionSchema(catalog.extensions),
  ]);
  return {
    $schema: DIALECT,
    title: "kata-collector configuration",
    type: "object",
    additionalProperties: false,
    properties: {
      receivers,
      processors,
      exporters,
      extensions,
      service: inMap(writtenSchema(serviceSchema)),
    },
    required: ["receivers", "exporters", "service"],
    $defs: {
      reference: {
        description: `\${env:NAME}, \${env:NAME:-default} or \${file:path}, alone or within a text`,
        type: "string",
        pattern: "\\$\\{.*\\}",
      },
    },
  };
}

/** Returns the schema of a map of ids: each key is a type or an older name of it, alone or with `/name`. */
async function sectionSchema(section: CatalogSection<{ readonly schema: z.ZodType }>): Promise<JsonSchema> {
  const patternProperties: Record<string, JsonSchema> = {};
  for (const [type, entry] of Object.entries(section)) {
    const { schema } = await entry.load();
    const pattern = `^(${[type, ...entry.aliases].join("|")})(/.+)?$`;
    patternProperties[pattern] = inMap(writtenSchema(schema));
  }
  return { type: ["object", "null"], additionalProperties: false, patternProperties };
}

function writtenSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    reused: "inline",
    override({ zodSchema, jsonSchema }) {
      if (zodSchema._zod.def.type !== "undefined") return;
      // The option is always refused, and the text of its fault is the best description.
      jsonSchema.not = {};
      const said = z.safeParse(zodSchema, "").error?.issues[0]?.message;
      if (said !== undefined) jsonSchema.description = said;
    },
  });
  return rest;
}

/** Returns the schema of a value in a map: it can also be a reference, or nothing, which means the default. */
function inMap(schema: JsonSchema): JsonSchema {
  return oneOfThese(schema, [REFERENCE, { type: "null" }]);
}

function oneOfThese(schema: JsonSchema, others: readonly JsonSchema[]): JsonSchema {
  if ("not" in schema) return schema;
  // Editors read descriptions and defaults outside of `anyOf`. JSON Schema's word for a secret is writeOnly.
  const { description, default: byDefault, secret, shown: _, ...rest } = withReferences(schema);
  return {
    ...(description === undefined ? {} : { description }),
    ...(byDefault === undefined ? {} : { default: byDefault }),
    ...(secret === true ? { writeOnly: true } : {}),
    anyOf: [rest, ...others],
  };
}

function withReferences(schema: JsonSchema): JsonSchema {
  const out: Record<string, unknown> = { ...schema };
  const { properties, additionalProperties, items, anyOf, maximum } = schema;
  if (maximum === Number.MAX_SAFE_INTEGER) delete out["maximum"];
  if (isSchema(properties)) {
    out["properties"] = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, inMap(value as JsonSchema)]),
    );
  }
  if (isSchema(additionalProperties)) out["additionalProperties"] = inMap(additionalProperties);
  if (isSchema(items)) out["items"] = oneOfThese(items, [REFERENCE]);
  if (Array.isArray(anyOf)) out["anyOf"] = anyOf.map((one: JsonSchema) => withReferences(one));
  return out;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}
