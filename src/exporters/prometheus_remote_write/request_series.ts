// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import type { Label } from "../../prometheus/series/series.ts";
import type { LabelLayout, Slot } from "./encoded_resource.ts";
import type { FamilyBlock } from "./family_series.ts";
import { TARGET_INFO } from "./target_info.ts";

/** A series of a request, before its resource and its number are known. */
export interface RequestSeries {
  readonly family: Family;
  /** The labels in order of names, as the protocol demands. No value is empty. */
  readonly labels: readonly RequestLabel[];
  /** The column of the series' number in the reading. */
  readonly column: number;
}

/** A label of the series itself, or a slot for the value of a label of its resource. */
export type RequestLabel = Label | Slot;

/** Whether this is a slot for the value of a label of the resource. */
export function isSlot(label: RequestLabel): label is Slot {
  return "bytes" in label;
}

/** Yields the series of the blocks, for resources with this label layout. */
export function* requestSeries(
  blocks: readonly FamilyBlock[],
  { labels, info }: LabelLayout,
): Generator<RequestSeries> {
  const ofAll = labels.filter(({ bytes }) => bytes > 0);
  const ofInfo = info.filter(({ bytes }) => bytes > 0);
  const ofBoth = [...ofAll, ...ofInfo].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { family, series, offset } of blocks) {
    if (family === TARGET_INFO && ofInfo.length === 0) continue;
    const slots = family === TARGET_INFO ? ofBoth : ofAll;
    for (const { labels: own, column } of series)
      yield { family, labels: merge(own, slots), column: offset + column };
  }
}

/** Merges two lists that are in order of names and have no name in common. */
function merge(own: readonly Label[], slots: readonly Slot[]): RequestLabel[] {
  const merged: RequestLabel[] = [];
  let next = 0;
  for (const label of own) {
    for (let slot = slots[next]; slot !== undefined && slot.name < label[0]; slot = slots[++next])
      merged.push(slot);
    merged.push(label);
  }
  return merged.concat(slots.slice(next));
}
