// SPDX-License-Identifier: Apache-2.0
import type { Family, Resource, Schema } from "../../metrics/model.ts";
import { type IdentityLabels, identityLabelsOf } from "../../prometheus/series/resource_labels.ts";
import type { Label } from "../../prometheus/series/series.ts";
import { byName, type OwnSeries } from "./family_series.ts";
import type { FamilyBlock, ReadingPlan } from "./reading_plan.ts";
import { infoLabels, serviceLabels } from "./target_info.ts";
import type { RequestTemplate } from "./template.ts";

/** A resource's labels, as they stand in all of its series. */
export interface SeriesIdentity {
  /** Two resources of one text have the same series. */
  readonly text: string;
  /** In the order of names; an empty value is none. */
  readonly labels: readonly Label[];
  /** What target_info says beside them, likewise; without any there is no target_info. */
  readonly info: readonly Label[];
  /** The values of the labels and then of the info, one behind the other. */
  readonly values: Uint8Array;
  readonly shape: SeriesShape;
  readonly face: SeriesFace;
  /** The requests of its readings, compiled. */
  readonly templates: WeakMap<readonly FamilyBlock[], readonly RequestTemplate[]>;
}

/** What identities must have in common to share templates: names, and the lengths of values. */
export interface SeriesShape {
  readonly key: string;
  readonly labels: readonly Slot[];
  readonly info: readonly Slot[];
}

/** A label of the resource, and where its value stands among the identity's. */
export interface Slot {
  readonly name: string;
  readonly start: number;
  readonly bytes: number;
}

/** What identities with the same label names share. */
export interface SeriesFace {
  readonly names: ReadonlySet<string>;
  readonly families: WeakMap<Family, readonly OwnSeries[]>;
  readonly readings: WeakMap<Schema, ReadingPlan>;
}

/** Sets of label names for which plans are kept; there is more than one only where other attributes become labels. */
const FACES_MAX = 256;

/** Makes each resource's identity once. */
export class SeriesIdentities {
  readonly #options: IdentityLabels;
  readonly #known = new WeakMap<Resource, SeriesIdentity>();
  readonly #faces = new Map<string, SeriesFace>();

  constructor(options: IdentityLabels) {
    this.#options = options;
  }

  of(resource: Resource): SeriesIdentity {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const named = new Map([...serviceLabels(resource), ...identityLabelsOf(resource, this.#options)]);
    const labels = [...named].sort(byName);
    const info = infoLabels(resource, this.#options, named).sort(byName);
    const values = [...labels, ...info].map(([, value]) => Buffer.from(value));
    const identity: SeriesIdentity = {
      text: JSON.stringify(labels.filter(([, value]) => value !== "")),
      labels,
      info,
      values: Buffer.concat(values),
      shape: shapeOf(labels, info),
      face: this.#face(labels.map(([name]) => name)),
      templates: new WeakMap(),
    };
    this.#known.set(resource, identity);
    return identity;
  }

  #face(names: readonly string[]): SeriesFace {
    const key = names.join();
    const known = this.#faces.get(key);
    if (known !== undefined) return known;
    // Identities hold their own face, so that dropping all of them costs nothing but the sharing.
    if (this.#faces.size >= FACES_MAX) this.#faces.clear();
    const face: SeriesFace = { names: new Set(names), families: new WeakMap(), readings: new WeakMap() };
    this.#faces.set(key, face);
    return face;
  }
}

function shapeOf(labels: readonly Label[], info: readonly Label[]): SeriesShape {
  let start = 0;
  const slotOf = ([name, value]: Label): Slot => {
    const slot = { name, start, bytes: Buffer.byteLength(value) };
    start += slot.bytes;
    return slot;
  };
  const slots = { labels: labels.map(slotOf), info: info.map(slotOf) };
  return { key: JSON.stringify(slots), ...slots };
}
