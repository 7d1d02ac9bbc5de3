// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** A place in a schema, such as that of one option. */
export interface SchemaPlace {
  /**
   * The schemas that apply at the place, without wrappers such as that of a default. Empty if the whole schema has no
   * such place.
   */
  readonly schemas: readonly z.ZodType[];
  /** Whether the value at the place must not be shown. */
  readonly secret: boolean;
}

/** The parts of zod's schema definitions that this module follows. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly defaultValue?: unknown;
}

function definition(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition; // zod types `def` for each kind of schema separately.
}

const NULL: z.ZodType = z.null();

/** Returns the place of a value that fits any of these schemas. */
export function placeOf(...schemas: readonly z.ZodType[]): SchemaPlace {
  const found = schemas.map((schema): SchemaPlace => {
    const secret = schema.meta()?.["secret"] === true;
    const { type, innerType, in: input, options } = definition(schema);
    const inner = innerType ?? input;
    if (inner === undefined && options === undefined) return { schemas: [schema], secret };
    const under = placeOf(...(inner === undefined ? (options ?? []) : [inner]));
    return {
      schemas: type === "nullable" ? [...under.schemas, NULL] : under.schemas,
      secret: secret || under.secret,
    };
  });
  return { schemas: found.flatMap((one) => one.schemas), secret: found.some(({ secret }) => secret) };
}

/** Returns the place under `place` that a key or an index leads to. Everything inside a secret is secret. */
export function placeIn(place: SchemaPlace, step: PropertyKey): SchemaPlace {
  const under = placeOf(...schemasIn(place, step));
  return place.secret ? { ...under, secret: true } : under;
}

/**
 * Returns the schemas that a key or an index of the place leads to, still with their wrappers, because a wrapper has
 * the default.
 */
export function schemasIn({ schemas }: SchemaPlace, step: PropertyKey): readonly z.ZodType[] {
  return schemas.flatMap((schema) => {
    const { shape, element, valueType } = definition(schema);
    const own = shape !== undefined && Object.hasOwn(shape, step) ? shape[String(step)] : undefined;
    return own ?? (typeof step === "number" ? element : valueType) ?? [];
  });
}

/**
 * Whether a value can be at the place. False for a key that the schema does not have, and for a key whose schema only
 * says why it is not supported.
 */
export function takesSomething({ schemas }: SchemaPlace): boolean {
  return schemas.some((schema) => definition(schema).type !== "undefined");
}

/** Returns the place that a path leads to. */
export function placeAt(schema: z.ZodType, path: readonly PropertyKey[]): SchemaPlace {
  return path.reduce<SchemaPlace>(placeIn, placeOf(schema));
}

/** Returns the keys that the map at a place can have; none for a map of any keys. */
export function keysAt({ schemas }: SchemaPlace): readonly string[] {
  return schemas.flatMap((schema) => Object.keys(definition(schema).shape ?? {}));
}

/** Returns the keys of each kind of map that can be at a place. */
export function shapesAt({ schemas }: SchemaPlace): readonly (readonly string[])[] {
  return schemas.flatMap((schema) => {
    const { shape } = definition(schema);
    return shape === undefined ? [] : [Object.keys(shape)];
  });
}

/** Returns the default as a user would write it, or undefined if there is none. */
export function inputDefault(schema: z.ZodType): unknown {
  const { type, defaultValue, innerType, in: input } = definition(schema);
  if (type === "default" || type === "prefault") return defaultValue;
  const inner = innerType ?? input;
  return inner === undefined ? undefined : inputDefault(inner);
}

const TEXT_TYPES: ReadonlySet<string> = new Set(["string", "enum", "template_literal"]);

/** Whether only a text can be at the place, apart from null. */
export function wantsText({ schemas }: SchemaPlace): boolean {
  const types = schemas.map((schema) => definition(schema).type).filter((type) => type !== "null");
  return types.length > 0 && types.every((type) => TEXT_TYPES.has(type));
}

/** Whether a list of texts can be at the place, but no single text. */
export function wantsListOfTexts(place: SchemaPlace): boolean {
  const types = place.schemas.map((schema) => definition(schema).type);
  if (!types.includes("array") || types.some((type) => TEXT_TYPES.has(type))) return false;
  return placeIn(place, 0).schemas.some((schema) => TEXT_TYPES.has(definition(schema).type));
}

const NULL_TYPES: ReadonlySet<string> = new Set(["null", "unknown", "any"]);

/** Whether null is a value of its own at the place. At any other place, null means the default. */
export function takesNull({ schemas }: SchemaPlace): boolean {
  return schemas.some((schema) => NULL_TYPES.has(definition(schema).type));
}
