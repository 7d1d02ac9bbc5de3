// SPDX-License-Identifier: Apache-2.0
import type { Resource } from "../../metrics/model.ts";
import { type LabelSet, LabelSets } from "./label_sets.ts";
import { labelText } from "./names.ts";
import { type IdentityLabels, identityLabelsOf } from "./resource_labels.ts";

/** The labels of one resource as text. */
export interface ResourceText {
  /** `sandbox_id="…",…`; empty for a resource without labels. Resources with the same text have the same series. */
  readonly text: string;
  /** The length of `text` in UTF-8, in bytes. */
  readonly bytes: number;
  readonly labelSet: LabelSet;
}

/** Makes the text of each resource once. */
export class ResourceTexts {
  readonly #labels: IdentityLabels;
  readonly #known = new WeakMap<Resource, ResourceText>();
  readonly #labelSets = new LabelSets();

  constructor(labels: IdentityLabels) {
    this.#labels = labels;
  }

  of(resource: Resource): ResourceText {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const labels = identityLabelsOf(resource, this.#labels);
    const text = Array.from(labels, ([name, value]) => labelText(name, value)).join(",");
    const labelSet = this.#labelSets.of([...labels.keys()]);
    const made = { text, bytes: Buffer.byteLength(text), labelSet };
    this.#known.set(resource, made);
    return made;
  }
}
