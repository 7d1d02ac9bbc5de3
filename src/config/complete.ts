// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import { Reference } from "./input.ts";
import { inputDefault, placeOf, type SchemaPlace, schemasIn, shapesAt } from "./schema_place.ts";
import { REDACTED, withoutSecretParts, withoutSecrets } from "./secrets.ts";

export interface CompleteOptions {
  /** Whether secrets are shown. */
  readonly unredacted: boolean;
}

/**
 * Adds the schema's defaults to what the user wrote (the result of `toInput`), with keys in the schema's order. The
 * result is a config again, except for secrets, which are `[REDACTED]` unless `unredacted` is set.
 */
export function complete(input: unknown, schema: ZodType, options: CompleteOptions): unknown {
  return completeAt(input, [schema], options);
}

function completeAt(written: unknown, schemas: readonly ZodType[], options: CompleteOptions): unknown {
  const input = written === undefined ? schemas.map(inputDefault).find((one) => one !== undefined) : written;
  const value = asShown(input, schemas);
  if (value === undefined || value === null) return value;
  const place = placeOf(...schemas);
  if (value instanceof Reference) return withoutSecretParts(value.text, place.secret);
  if (place.secret && !options.unredacted) return REDACTED;
  const under = (item: unknown, step: PropertyKey): unknown =>
    completeAt(item, schemasIn(place, step), options);
  if (Array.isArray(value)) return value.map(under);
  if (typeof value === "string" && !options.unredacted) return withoutSecrets(value);
  if (typeof value !== "object") return value;
  const given = new Map(Object.entries(value));
  const keys = new Set([...keysToComplete(place, given), ...given.keys()]);
  const out: Record<string, unknown> = {};
  for (const key of keys) {
    const completed = under(given.get(key), key);
    if (completed !== undefined) Object.defineProperty(out, key, { value: completed, enumerable: true });
  }
  return out;
}

/**
 * If one of the schemas is marked by `shownAsParsed` and finds no fault in the input, returns its result. Otherwise
 * returns the input.
 */
function asShown(input: unknown, schemas: readonly ZodType[]): unknown {
  const schema = schemas.find((one) => one.meta()?.["shown"] === "parsed");
  const parsed = schema?.safeParse(input);
  return parsed?.success === true ? parsed.data : input;
}

/**
 * Returns the keys to complete in the map at the place: those of the first kind of map there that has all given keys,
 * or none if no kind has all of them.
 */
function keysToComplete(place: SchemaPlace, given: ReadonlyMap<string, unknown>): readonly string[] {
  const shapes = shapesAt(place);
  return shapes.find((keys) => [...given.keys()].every((key) => keys.includes(key))) ?? [];
}
