// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import type { Label } from "../../prometheus/series/series.ts";
import type { LabelLayout, Slot } from "./encoded_resource.ts";
import type { FamilyBlock } from "./family_series.ts";
import { TARGET_INFO } from "./target_info.ts";

/** A series as a request has it, before its resource and its number are known. */
export interface RequestSeries {
  readonly family: Family;
  /** In the order of names, which the protocol demands; none is empty. */
  readonly labels: readonly RequestLabel[];
  /** The reading's column that has its number. */
  readonly column: number;
}

/** The series' own label, or one of its resource. */
export type RequestLabel = Label | Slot;

export function isSlot(label: RequestLabel): label is Slot {
  return "bytes" in label;
}

/** The series of the blocks, for resources with this label layout. */
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

/** Both are in the order of names, of which they have none in common. */
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
