import { type Family, type Kind, type Point, pointWidth, type Schema } from "./model.ts";

export interface FamilySpec {
  readonly name: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly help: string;
  readonly points: readonly Point[];
}

interface Entry<T> {
  readonly object: T;
  lastRound: number;
}

/**
 * Hands out one object per distinct family and schema, so that plans compiled for one sandbox serve all.
 * What nobody asked for in `roundsKept` rounds is forgotten; asking again then makes a new object, which costs
 * its users one more compilation and is never wrong. Growth within a round is bounded by the sources' limits.
 */
export class Interner {
  readonly #families = new Map<string, Entry<Family>>();
  readonly #schemas = new Map<string, Entry<Schema>>();
  readonly #roundsKept: number;
  #nextId = 1;
  #round = 0;

  constructor(roundsKept = 8) {
    this.#roundsKept = roundsKept;
  }

  get familyCount(): number {
    return this.#families.size;
  }

  get schemaCount(): number {
    return this.#schemas.size;
  }

  /** The family of this content. The caller hands over `points`: they must not change afterwards. */
  family(spec: FamilySpec): Family {
    const key = familyKey(spec);
    const known = this.#families.get(key);
    if (known !== undefined) {
      known.lastRound = this.#round;
      return known.object;
    }
    let width = 0;
    for (const point of spec.points) width += pointWidth(spec.kind, point.bounds.length);
    const { name, kind, unit, help, points } = spec;
    const object: Family = Object.freeze({ id: this.#nextId++, name, kind, unit, help, points, width });
    this.#families.set(key, { object, lastRound: this.#round });
    return object;
  }

  /** The schema of these families in this order. No two may have the same name. */
  schema(families: readonly Family[]): Schema {
    let key = "";
    for (const family of families) key += `${family.id},`;
    const known = this.#schemas.get(key);
    if (known !== undefined) {
      known.lastRound = this.#round;
      return known.object;
    }
    const offsets: number[] = [];
    let width = 0;
    for (const family of families) {
      offsets.push(width);
      width += family.width;
    }
    const object: Schema = Object.freeze({ families: [...families], offsets, width });
    this.#schemas.set(key, { object, lastRound: this.#round });
    return object;
  }

  /** Begins the next round; receivers call it once per collection interval. */
  nextRound(): void {
    this.#round++;
    const oldest = this.#round - this.#roundsKept;
    for (const [key, entry] of this.#schemas) if (entry.lastRound < oldest) this.#schemas.delete(key);
    for (const [key, entry] of this.#families) if (entry.lastRound < oldest) this.#families.delete(key);
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
