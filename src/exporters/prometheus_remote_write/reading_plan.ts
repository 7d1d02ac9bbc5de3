import type { Reading } from "../../metrics/model.ts";
import type { Conflict } from "../../prometheus/write_draft.ts";
import type { IdentityLabels } from "../../prometheus/write_identity.ts";
import { PageComposer } from "../../prometheus/write_page.ts";
import type { Block } from "./encode.ts";
import type { Identity } from "./identity.ts";
import { planSeries, type SeriesPlan, seriesKeys } from "./series_plan.ts";

/** The series of all readings of one schema and of resources with the same label names. */
export interface ReadingPlan {
  readonly blocks: readonly Block[];
}

export interface PlanOptions {
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** Hears, when a plan is compiled, what had to be changed so that no series is there twice. */
  onConflict(conflict: Conflict): void;
}

/** The plan of the reading, compiled when its schema is first met. */
export function planOf(reading: Reading, { face }: Identity, options: PlanOptions): ReadingPlan {
  const known = face.readings.get(reading.schema);
  if (known !== undefined) return known;
  const blocks: Block[] = [];
  // A page of this reading alone: so its names, and its choice where names collide, are the page's.
  const page = new PageComposer(options).compose([reading]);
  for (const { name, parts } of page.sections) {
    for (const { family, columns } of parts) {
      let series = face.series.get(family);
      if (series === undefined) {
        series = planSeries(name, family, face.names);
        face.series.set(family, series);
        tellConflicts(series, options);
      }
      for (const { offset } of columns) blocks.push({ plan: series, lines: series.all, offset });
    }
  }
  const plan = { blocks };
  face.readings.set(reading.schema, plan);
  return plan;
}

function tellConflicts(
  { name, renamedLabels, duplicatePoints }: SeriesPlan,
  { onConflict }: PlanOptions,
): void {
  for (let i = 0; i < renamedLabels; i++) onConflict({ reason: "label", name });
  for (let i = 0; i < duplicatePoints; i++) onConflict({ reason: "series", name });
}

// What is gone between two plans is asked for again at every scrape that alternates between them.
const knownGone = new WeakMap<ReadingPlan, WeakMap<ReadingPlan, readonly Block[]>>();

/** What a resource said, as far as its series go. */
export interface Said {
  readonly identity: Identity;
  readonly plan: ReadingPlan;
}

const NOTHING: readonly Block[] = [];

/** The series that `before` has and `after` has not. */
export function goneBetween(before: Said, after: Said): readonly Block[] {
  // Other labels make other series, as a rule; a label of the one may be an attribute of the other.
  if (before.identity.text !== after.identity.text) return compare(before, after, true);
  if (before.plan === after.plan) return NOTHING;
  let byAfter = knownGone.get(before.plan);
  if (byAfter === undefined) {
    byAfter = new WeakMap();
    knownGone.set(before.plan, byAfter);
  }
  let gone = byAfter.get(after.plan);
  if (gone === undefined) {
    gone = compare(before, after, false);
    byAfter.set(after.plan, gone);
  }
  return gone;
}

function compare(before: Said, after: Said, withIdentity: boolean): readonly Block[] {
  const keysOf = ({ plan }: Block, { identity }: Said): string[] =>
    seriesKeys(plan, withIdentity ? identity.labels : []);
  const kept = new Set(withIdentity ? [] : after.plan.blocks.map(({ plan }) => plan));
  const earlier = new Set(before.plan.blocks.map(({ plan }) => plan));
  const alive = new Set<string>();
  for (const block of after.plan.blocks) {
    // What both have needs no comparison: within one reading, no series is there twice.
    if (withIdentity || !earlier.has(block.plan)) for (const key of keysOf(block, after)) alive.add(key);
  }
  const gone: Block[] = [];
  for (const block of before.plan.blocks) {
    if (kept.has(block.plan)) continue;
    const keys = keysOf(block, before);
    const lines = block.lines.filter((line) => !alive.has(keys[line] ?? ""));
    if (lines.length > 0) gone.push({ ...block, lines });
  }
  return gone;
}
