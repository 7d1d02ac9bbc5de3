// SPDX-License-Identifier: Apache-2.0
import { BoundedMap } from "../../metrics/bounded_map.ts";
import { getOrMake } from "../../metrics/memoized.ts";

/** The label names that a resource puts on all of its series. A sample's own labels must avoid them. */
export interface LabelSet {
  readonly names: ReadonlySet<string>;
}

/**
 * The most label sets that are remembered. There are more than a few only where all attributes of a resource become
 * labels.
 */
const LABEL_SETS_MAX = 256;

/**
 * Gives resources with the same label names the same `LabelSet`. So what is compiled for one of them can be kept in a
 * map by label set, and serves all of them.
 */
export class LabelSets {
  // Resources keep their label sets. After the map has forgotten all, later resources with the same names get another
  // object.
  readonly #known = new BoundedMap<string, LabelSet>(LABEL_SETS_MAX);

  of(names: readonly string[]): LabelSet {
    return getOrMake(this.#known, names.join(), () => ({ names: new Set(names) }));
  }
}
