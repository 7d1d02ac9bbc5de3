// SPDX-License-Identifier: Apache-2.0
import { type Family, type Kind, type Point, pointWidth, type Schema } from "./model.ts";
import { WeakValues } from "./weak_values.ts";

/** The content of a family. */
export interface FamilySpec {
  readonly name: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly help: string;
  readonly points: readonly Point[];
}

/**
 * Makes one object for each distinct family and schema, so that a plan compiled for one sandbox serves all, and so that
 * `===` compares contents. An object that nothing else holds is forgotten with the next garbage collection. The
 * interner has no limit of its own: each source must limit the number of its families.
 */
export class Interner {
  readonly #families = new WeakValues<Family>();
  readonly #schemas = new WeakValues<Schema>();
  #nextId = 1;

  /** Returns the family of this content. The caller must not change `points` afterwards. */
  family(spec: FamilySpec): Family {
    const key = familyKey(spec);
    const known = this.#families.get(key);
    if (known !== undefined) return known;
    let width = 0;
    for (const point of spec.points) width += pointWidth(spec.kind, point.bounds.length);
    const { name, kind, unit, help, points } = spec;
    const family: Family = Object.freeze({ id: this.#nextId++, name, kind, unit, help, points, width });
    this.#families.set(key, family);
    return family;
  }

  /** Returns the schema of these families in this order. No two of them may have the same name. */
  schema(families: readonly Family[]): Schema {
    let key = "";
    for (const family of families) key += `${family.id},`;
    const known = this.#schemas.get(key);
    if (known !== undefined) return known;
    const offsets: number[] = [];
    let width = 0;
    for (const family of families) {
      offsets.push(width);
      width += family.width;
    }
    const schema: Schema = Object.freeze({ families: [...families], offsets, width });
    this.#schemas.set(key, schema);
    return schema;
  }

  /** The number of families that were alive at the last garbage collection, or are new since then. */
  get familyCount(): number {
    return this.#families.size;
  }

  /** The number of schemas that were alive at the last garbage collection, or are new since then. */
  get schemaCount(): number {
    return this.#schemas.size;
  }
}

/**
 * Makes a key of all texts with their lengths, so that no text of a hostile page makes two different families equal.
 */
function familyKey({ name, kind, unit, help, points }: FamilySpec): string {
  const parts: string[] = [kind, text(name), text(unit), text(help)];
  for (const point of points) {
    parts.push("|");
    for (const { key, value } of point.attributes) parts.push(text(key), text(value));
    parts.push(";");
    for (const bound of point.boundTexts) parts.push(text(bound));
  }
  return parts.join("");
}

function text(value: string): string {
  return `${value.length}:${value}`;
}
