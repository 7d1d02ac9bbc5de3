// SPDX-License-Identifier: Apache-2.0
import { memoizedPair } from "../../metrics/memoized.ts";
import { type Label, seriesText } from "../../prometheus/series/series.ts";
import type { EncodedResource } from "./encoded_resource.ts";
import type { FamilyBlock } from "./family_series.ts";
import type { ReadingPlan } from "./reading_plan.ts";
import { TARGET_INFO } from "./target_info.ts";

/** The series of one reading: those of its plan, with the labels of its resource. */
export interface ReportedSeries {
  readonly resource: EncodedResource;
  readonly plan: ReadingPlan;
}

/**
 * Returns the series that `before` has and `after` does not have. `before` and `after` must be reports of one resource.
 */
export function goneSeries(before: ReportedSeries, after: ReportedSeries): readonly FamilyBlock[] {
  const info = goneInfo(before, after);
  if (before.resource.text !== after.resource.text)
    return withSharedBlocks(before, [...goneWithLabels(before, after), ...info]);
  if (before.plan === after.plan) return info;
  const gone = goneBetweenPlans(before.plan, after.plan);
  return info.length === 0 ? gone : [...gone, ...info];
}

/**
 * Returns the plan's own list of blocks if `gone` has all of them, since `Templates` finds compiled templates by this
 * object. Returns `gone` otherwise.
 */
function withSharedBlocks({ plan }: ReportedSeries, gone: readonly FamilyBlock[]): readonly FamilyBlock[] {
  const isAll =
    gone.length === plan.blocks.length && gone.every((block, index) => block === plan.blocks[index]);
  return isAll ? plan.blocks : gone;
}

/**
 * Returns the block of target_info if its series is gone. This series has all labels of the resource, so that it is
 * gone as soon as one of them changes.
 */
function goneInfo(before: ReportedSeries, after: ReportedSeries): readonly FamilyBlock[] {
  if (before.resource === after.resource && before.plan === after.plan) return [];
  const textOf = ({ resource, plan }: ReportedSeries): string =>
    plan.blocks.some(isInfo) ? seriesText([...resource.labels, ...resource.info]) : "";
  return textOf(before) === textOf(after) ? [] : before.plan.blocks.filter(isInfo);
}

/**
 * Returns the series of `before` that `after` lacks, for resources with the same labels. It is memoized, since some
 * shims alternate between two plans.
 */
const goneBetweenPlans = memoizedPair((before: ReadingPlan, after: ReadingPlan): readonly FamilyBlock[] => {
  const families = ({ blocks }: ReadingPlan) => new Set(blocks.map(({ family }) => family));
  const [earlier, later] = [families(before), families(after)];
  // The series of a family that both plans have are not gone, and no other family of either plan has one of them.
  const alive = new Set(
    after.blocks.filter(({ family }) => !earlier.has(family)).flatMap((block) => keysOf(block, [])),
  );
  return goneBlocks(
    before.blocks.filter(({ family }) => !later.has(family)),
    [],
    alive,
  );
});

/**
 * Returns the series of `before` that `after` lacks, if the labels of the resource have changed. Usually this is every
 * series. But a label of the resource may have become a label of samples, and the series is then the same.
 */
function goneWithLabels(before: ReportedSeries, after: ReportedSeries): readonly FamilyBlock[] {
  const alive = new Set(after.plan.blocks.flatMap((block) => keysOf(block, after.resource.labels)));
  return goneBlocks(before.plan.blocks, before.resource.labels, alive);
}

/** Returns the blocks with only the series whose keys are not in `alive`, without target_info. */
function goneBlocks(
  blocks: readonly FamilyBlock[],
  resourceLabels: readonly Label[],
  alive: ReadonlySet<string>,
): readonly FamilyBlock[] {
  const gone: FamilyBlock[] = [];
  for (const block of blocks) {
    if (isInfo(block)) continue;
    const keys = keysOf(block, resourceLabels);
    const series = block.series.filter((_, index) => !alive.has(keys[index] ?? ""));
    if (series.length > 0) gone.push(series.length === keys.length ? block : { ...block, series });
  }
  return gone;
}

function keysOf({ series }: FamilyBlock, resourceLabels: readonly Label[]): string[] {
  return series.map(({ labels }) => seriesText([...labels, ...resourceLabels]));
}

function isInfo({ family }: FamilyBlock): boolean {
  return family === TARGET_INFO;
}
