// SPDX-License-Identifier: Apache-2.0
import type { Resource } from "../../metrics/model.ts";
import { type LabelSet, LabelSets } from "../../prometheus/series/label_sets.ts";
import { type IdentityLabels, identityLabelsOf } from "../../prometheus/series/resource_labels.ts";
import type { Label } from "../../prometheus/series/series.ts";
import { byName } from "./family_series.ts";
import { infoLabels, serviceLabels } from "./target_info.ts";

/** The labels of one resource, encoded for requests. */
export interface EncodedResource {
  /** The labels as text, without empty ones. Resources with the same text have the same series. */
  readonly text: string;
  /** The labels of all series of the resource, in order of names. A label with an empty value is not sent. */
  readonly labels: readonly Label[];
  /** The labels that only target_info has, in order of names. If there are none, no target_info is sent. */
  readonly info: readonly Label[];
  /** The values of `labels` and then of `info` in UTF-8, one after the other. */
  readonly values: Uint8Array;
  readonly layout: LabelLayout;
  readonly labelSet: LabelSet;
}

/** The names of a resource's labels and the lengths of their values. Resources with the same layout share templates. */
export interface LabelLayout {
  /** A text that is equal for equal layouts. */
  readonly key: string;
  readonly labels: readonly Slot[];
  readonly info: readonly Slot[];
}

/** A label of the resource, and the place of its value in `EncodedResource.values`. */
export interface Slot {
  readonly name: string;
  readonly start: number;
  readonly bytes: number;
}

/** Encodes each resource once. */
export class EncodedResources {
  readonly #options: IdentityLabels;
  readonly #known = new WeakMap<Resource, EncodedResource>();
  readonly #labelSets = new LabelSets();

  constructor(options: IdentityLabels) {
    this.#options = options;
  }

  of(resource: Resource): EncodedResource {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const named = new Map([...serviceLabels(resource), ...identityLabelsOf(resource, this.#options)]);
    const labels = [...named].sort(byName);
    const info = infoLabels(resource, this.#options, named).sort(byName);
    const values = [...labels, ...info].map(([, value]) => Buffer.from(value));
    const encoded: EncodedResource = {
      text: JSON.stringify(labels.filter(([, value]) => value !== "")),
      labels,
      info,
      values: Buffer.concat(values),
      layout: layoutOf(labels, info),
      labelSet: this.#labelSets.of(labels.map(([name]) => name)),
    };
    this.#known.set(resource, encoded);
    return encoded;
  }
}

function layoutOf(labels: readonly Label[], info: readonly Label[]): LabelLayout {
  let start = 0;
  const slotOf = ([name, value]: Label): Slot => {
    const slot = { name, start, bytes: Buffer.byteLength(value) };
    start += slot.bytes;
    return slot;
  };
  const slots = { labels: labels.map(slotOf), info: info.map(slotOf) };
  return { key: JSON.stringify(slots), ...slots };
}
