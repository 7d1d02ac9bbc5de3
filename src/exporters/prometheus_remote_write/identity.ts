import type { Family, Resource, Schema } from "../../metrics/model.ts";
import type { Label } from "../../prometheus/series.ts";
import { type IdentityLabels, identityLabelsOf } from "../../prometheus/write_identity.ts";
import { joinPieces } from "./copy.ts";
import type { ReadingPlan } from "./reading_plan.ts";
import { byName, encodeLabel, type SeriesPlan } from "./series_plan.ts";

/** A resource's labels, as they stand in all of its series. */
export interface Identity {
  /** Two resources of one text have the same series. */
  readonly text: string;
  /** In the order of names. */
  readonly labels: readonly Label[];
  /** They encoded, one behind the other; and where each begins, with one more for the end of the last. */
  readonly encoded: DataView;
  readonly starts: Int32Array;
  readonly face: Face;
}

/** What identities with the same label names share. */
export interface Face {
  /** In order. */
  readonly names: readonly string[];
  readonly series: WeakMap<Family, SeriesPlan>;
  readonly readings: WeakMap<Schema, ReadingPlan>;
}

/** Sets of label names for which plans are kept; there is more than one only where other attributes become labels. */
const FACES_MAX = 256;

/** Makes each resource's identity once. */
export class Identities {
  readonly #options: IdentityLabels;
  readonly #known = new WeakMap<Resource, Identity>();
  readonly #faces = new Map<string, Face>();

  constructor(options: IdentityLabels) {
    this.#options = options;
  }

  of(resource: Resource): Identity {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const labels: Label[] = [...identityLabelsOf(resource, this.#options)].sort(byName);
    const pieces = labels.map(encodeLabel);
    const starts = new Int32Array(pieces.length + 1);
    for (const [index, { length }] of pieces.entries()) starts[index + 1] = (starts[index] ?? 0) + length;
    const identity: Identity = {
      text: JSON.stringify(labels.filter(([, value]) => value !== "")),
      labels,
      encoded: joinPieces(pieces),
      starts,
      face: this.#face(labels.map(([name]) => name)),
    };
    this.#known.set(resource, identity);
    return identity;
  }

  #face(names: readonly string[]): Face {
    const key = names.join();
    const known = this.#faces.get(key);
    if (known !== undefined) return known;
    // Identities hold their own face, so that dropping all of them costs nothing but the sharing.
    if (this.#faces.size >= FACES_MAX) this.#faces.clear();
    const face: Face = { names, series: new WeakMap(), readings: new WeakMap() };
    this.#faces.set(key, face);
    return face;
  }
}
