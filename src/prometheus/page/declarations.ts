// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";
import type { PageFormat } from "../series/names.ts";
import { namesBeside } from "./collisions.ts";
import type { Contender } from "./contenders.ts";

/** How a family's HELP and TYPE lines call it. */
export interface Declaration {
  readonly name: string;
  readonly type: string;
}

const TOTAL = "_total";
const CREATED = "_created";
const TEXT_TYPES: Readonly<Record<Kind, string>> = {
  gauge: "gauge",
  sum: "counter",
  histogram: "histogram",
  summary: "summary",
  unknown: "untyped",
};

/** Declares the families of a page, which come in order of names. */
export function declare(winners: readonly Contender[], format: PageFormat): readonly Declaration[] {
  if (format === "text")
    return winners.map((winner) => ({ name: winner.name, type: TEXT_TYPES[kindOf(winner)] }));
  const taken = new Set(winners.flatMap((winner) => [winner.name, ...namesBeside(winner, format)]));
  return winners.map((winner) => declareOpenMetrics(winner, taken));
}

/**
 * In OpenMetrics a counter's samples, not the counter, end in `_total`, and its name with `_created` is taken too. A
 * counter whose name does not end so, or that would take a name of another family, is of unknown type: series are called
 * the same in every format.
 */
function declareOpenMetrics(winner: Contender, taken: Set<string>): Declaration {
  const { name } = winner;
  const kind = kindOf(winner);
  if (kind !== "sum") return { name, type: kind };
  const base = name.endsWith(TOTAL) ? name.slice(0, -TOTAL.length) : "";
  const names = [base, base + CREATED];
  const isFree = base !== "" && !names.some((one) => taken.has(one));
  if (!isFree) return { name, type: "unknown" };
  for (const one of names) taken.add(one);
  return { name: base, type: "counter" };
}

/** The kind of the contender's families; where they differ it is unknown, which is nobody's word and hurts nobody. */
function kindOf({ families }: Contender): Kind {
  const [kind = "unknown", ...others] = new Set([...families.keys()].map((family) => family.kind));
  return others.length === 0 ? kind : "unknown";
}
