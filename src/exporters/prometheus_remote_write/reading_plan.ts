// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../../metrics/memoized.ts";
import { pointCount, type Reading, type Schema } from "../../metrics/model.ts";
import { type NamedFamily, PageComposer } from "../../prometheus/page/compose.ts";
import type { Conflict } from "../../prometheus/series/conflict.ts";
import type { LabelSet } from "../../prometheus/series/label_sets.ts";
import type { IdentityLabels } from "../../prometheus/series/resource_labels.ts";
import { type FamilyBlock, type OwnSeries, ownSeries } from "./family_series.ts";
import { targetInfoBlocks } from "./target_info.ts";

/** The series of all readings that have one schema and resources with the same label names. */
export interface ReadingPlan {
  readonly blocks: readonly FamilyBlock[];
  /** The number of data points of each of these readings. */
  readonly points: number;
}

/** The names and labels of all series of one exporter. */
export interface PlanOptions {
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** Whether each reading gets a series target_info. */
  readonly targetInfo: boolean;
  /**
   * Called when a plan is compiled, for each family, series or label that is changed or left out because of a
   * collision.
   */
  onConflict(conflict: Conflict): void;
}

/** Compiles the plan of each schema and label set once. */
export class ReadingPlans {
  readonly #options: PlanOptions;
  readonly #plansOf = memoized((_: LabelSet) => new WeakMap<Schema, ReadingPlan>());
  readonly #seriesOf = memoized((_: LabelSet) => new WeakMap<FamilyBlock["family"], readonly OwnSeries[]>());

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  of(reading: Reading, labelSet: LabelSet): ReadingPlan {
    const plans = this.#plansOf(labelSet);
    const known = plans.get(reading.schema);
    if (known !== undefined) return known;
    const plan = this.#compile(reading, labelSet);
    plans.set(reading.schema, plan);
    return plan;
  }

  #compile(reading: Reading, labelSet: LabelSet): ReadingPlan {
    const { targetInfo } = this.#options;
    const blocks: FamilyBlock[] = [];
    // The plan follows a composed page of this reading alone, so that names, and the choice where names collide, are
    // those of a page.
    const page = new PageComposer(this.#options).compose([reading], { format: "text" });
    for (const { parts } of page.sections) {
      for (const { named, places } of parts) {
        const series = this.#ownSeries(named, labelSet);
        for (const { offset } of places) blocks.push({ ...named, series, offset });
      }
    }
    if (targetInfo && blocks.length > 0)
      blocks.push(...targetInfoBlocks(blocks, { ...this.#options, width: reading.schema.width }));
    return { blocks, points: pointCount(reading.schema) };
  }

  #ownSeries(named: NamedFamily, labelSet: LabelSet): readonly OwnSeries[] {
    const known = this.#seriesOf(labelSet);
    let series = known.get(named.family);
    if (series === undefined) {
      series = ownSeries(named, labelSet, this.#options.onConflict);
      known.set(named.family, series);
    }
    return series;
  }
}
