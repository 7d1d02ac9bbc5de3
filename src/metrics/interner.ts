// SPDX-License-Identifier: Apache-2.0
import { type Family, type Kind, type Point, pointWidth, type Schema } from "./model.ts";
import { WeakValues } from "./weak_values.ts";

export interface FamilySpec {
  readonly name: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly help: string;
  readonly points: readonly Point[];
}

/**
 * Hands out one object per distinct family and schema, so that plans compiled for one sandbox serve all, and so that
 * `===` compares contents. An object lives as long as somebody holds it: what nobody uses any more is forgotten with
 * the garbage collector's help, and sources that invent families are bounded by their own limits.
 */
export class Interner {
  readonly #families = new WeakValues<Family>();
  readonly #schemas = new WeakValues<Schema>();
  #nextId = 1;

  /** The family of this content. The caller hands over `points`: they must not change afterwards. */
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

  /** The schema of these families in this order. No two may have the same name. */
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

  /** Families that are alive, or were when the garbage collector last looked. */
  get familyCount(): number {
    return this.#families.size;
  }

  /** As `familyCount`, of schemas. */
  get schemaCount(): number {
    return this.#schemas.size;
  }
}

/** Length-prefixed, so that no text of a hostile page can make two families look alike. */
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
