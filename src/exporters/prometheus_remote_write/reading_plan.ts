// SPDX-License-Identifier: Apache-2.0
import { type Family, pointCount, type Reading } from "../../metrics/model.ts";
import { PageComposer } from "../../prometheus/page/compose.ts";
import type { Conflict } from "../../prometheus/page/contenders.ts";
import type { IdentityLabels } from "../../prometheus/series/resource_labels.ts";
import { type OwnSeries, ownSeries } from "./family_series.ts";
import type { SeriesIdentity } from "./identity.ts";
import { targetInfoBlocks } from "./target_info.ts";

/** Series of one family: all that it has, or some. */
export interface FamilyBlock {
  readonly family: Family;
  /** What it is called on the page. */
  readonly name: string;
  /** The family's first column in the reading. */
  readonly offset: number;
  readonly series: readonly OwnSeries[];
}

/** The series of all readings of one schema and of resources with the same label names. */
export interface ReadingPlan {
  readonly blocks: readonly FamilyBlock[];
  /** Data points of such a reading, as its receiver counts them. */
  readonly points: number;
}

export interface PlanOptions {
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** Whether each reading has target_info. */
  readonly targetInfo: boolean;
  /** Hears, when a plan is compiled, what had to be changed so that no series is there twice. */
  onConflict(conflict: Conflict): void;
}

/** The plan of the reading, compiled when its schema is first met. */
export function readingPlanOf(reading: Reading, { face }: SeriesIdentity, options: PlanOptions): ReadingPlan {
  const known = face.readings.get(reading.schema);
  if (known !== undefined) return known;
  const blocks: FamilyBlock[] = [];
  // A page of this reading alone: so its names, and its choice where names collide, are the page's.
  const page = new PageComposer(options).compose([reading], { format: "text" });
  for (const { name, parts } of page.sections) {
    for (const { family, columns } of parts) {
      const series = ownSeries(name, family, { face, ...options });
      for (const { offset } of columns) blocks.push({ family, series, name, offset });
    }
  }
  if (options.targetInfo && blocks.length > 0)
    blocks.push(...targetInfoBlocks(blocks, { ...options, width: reading.schema.width }));
  const plan = { blocks, points: pointCount(reading.schema) };
  face.readings.set(reading.schema, plan);
  return plan;
}
