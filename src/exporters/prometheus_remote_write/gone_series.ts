// SPDX-License-Identifier: Apache-2.0
import { seriesText } from "../../prometheus/series/series.ts";
import type { SeriesIdentity } from "./identity.ts";
import type { FamilyBlock, ReadingPlan } from "./reading_plan.ts";
import { TARGET_INFO } from "./target_info.ts";

/** What a resource said, as far as its series go. */
export interface Said {
  readonly identity: SeriesIdentity;
  readonly plan: ReadingPlan;
}

// What is gone between two plans is asked for again at every scrape that alternates between them.
const knownGone = new WeakMap<ReadingPlan, WeakMap<ReadingPlan, readonly FamilyBlock[]>>();

/** The series that `before` has and `after` has not. */
export function goneSeries(before: Said, after: Said): readonly FamilyBlock[] {
  const info = goneInfo(before, after);
  if (before.identity.text !== after.identity.text)
    return goneWithLabels(before, [...compare(before, after), ...info]);
  if (before.plan === after.plan) return info;
  let byAfter = knownGone.get(before.plan);
  if (byAfter === undefined) {
    byAfter = new WeakMap();
    knownGone.set(before.plan, byAfter);
  }
  let gone = byAfter.get(after.plan);
  if (gone === undefined) {
    gone = compare(before, after);
    byAfter.set(after.plan, gone);
  }
  return info.length === 0 ? gone : [...gone, ...info];
}

/**
 * Other labels make other series, as a rule; a label of the one may be an attribute of the other. Where all are gone, they
 * are the plan's own blocks, for which there are templates already.
 */
function goneWithLabels({ plan }: Said, gone: readonly FamilyBlock[]): readonly FamilyBlock[] {
  const isAll =
    gone.length === plan.blocks.length && gone.every((block, index) => block === plan.blocks[index]);
  return isAll ? plan.blocks : gone;
}

/** The labels of target_info are all that is known of the resource: it is another series as soon as one of them changes. */
function goneInfo(before: Said, after: Said): readonly FamilyBlock[] {
  if (before.identity === after.identity && before.plan === after.plan) return [];
  const isInfo = ({ family }: FamilyBlock): boolean => family === TARGET_INFO;
  const textOf = ({ identity, plan }: Said): string =>
    plan.blocks.some(isInfo) ? seriesText([...identity.labels, ...identity.info]) : "";
  return textOf(before) === textOf(after) ? [] : before.plan.blocks.filter(isInfo);
}

function compare(before: Said, after: Said): readonly FamilyBlock[] {
  const isSame = before.identity.text === after.identity.text;
  const keysOf = ({ series }: FamilyBlock, { identity }: Said): string[] =>
    series.map(({ labels }) => seriesText(isSame ? labels : [...labels, ...identity.labels]));
  const families = ({ plan }: Said) => new Set(plan.blocks.map(({ family }) => family));
  const [earlier, later] = [families(before), families(after)];
  const alive = new Set<string>();
  for (const block of after.plan.blocks) {
    // What both have needs no comparison: within one reading, no series is there twice.
    if (!isSame || !earlier.has(block.family)) for (const key of keysOf(block, after)) alive.add(key);
  }
  const gone: FamilyBlock[] = [];
  for (const block of before.plan.blocks) {
    if (block.family === TARGET_INFO || (isSame && later.has(block.family))) continue;
    const keys = keysOf(block, before);
    const series = block.series.filter((_, index) => !alive.has(keys[index] ?? ""));
    if (series.length > 0) gone.push(series.length === keys.length ? block : { ...block, series });
  }
  return gone;
}
