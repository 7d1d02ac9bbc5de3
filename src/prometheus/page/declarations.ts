// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";
import { CREATED_SUFFIX } from "../series/suffixes.ts";
import { childNames } from "./collisions.ts";
import type { Contender } from "./contenders.ts";
import type { PageFormat } from "./page_format.ts";

/** The name and type that a family's HELP and TYPE lines say. */
export interface Declaration {
  readonly name: string;
  readonly type: string;
}

const TOTAL_SUFFIX = "_total";
const TEXT_TYPES: Readonly<Record<Kind, string>> = {
  gauge: "gauge",
  sum: "counter",
  histogram: "histogram",
  summary: "summary",
  unknown: "untyped",
};

/** Returns the declaration of each family of a page. The families must be in order of names. */
export function declare(winners: readonly Contender[], format: PageFormat): readonly Declaration[] {
  if (format === "text")
    return winners.map((winner) => ({ name: winner.name, type: TEXT_TYPES[kindOf(winner)] }));
  const taken = new Set(winners.flatMap((winner) => [winner.name, ...childNames(winner, format)]));
  return winners.map((winner) => declareOpenMetrics(winner, taken));
}

/**
 * In OpenMetrics a counter with samples named `x_total` is declared as `x`, and also reserves the name `x_created`. A
 * counter is declared as unknown if its name does not end in `_total`, or if another family uses the name `x` or
 * `x_created`, also for its lines. So a series has the same name in every format.
 */
function declareOpenMetrics(winner: Contender, taken: Set<string>): Declaration {
  const { name } = winner;
  const kind = kindOf(winner);
  if (kind !== "sum") return { name, type: kind };
  const base = name.endsWith(TOTAL_SUFFIX) ? name.slice(0, -TOTAL_SUFFIX.length) : "";
  const names = [base, base + CREATED_SUFFIX];
  const isFree = base !== "" && !names.some((one) => taken.has(one));
  if (!isFree) return { name, type: "unknown" };
  for (const one of names) taken.add(one);
  return { name: base, type: "counter" };
}

/** The kind of the contender's families; unknown where they differ, which every reader accepts. */
function kindOf({ families }: Contender): Kind {
  const [kind = "unknown", ...others] = new Set([...families.keys()].map((family) => family.kind));
  return others.length === 0 ? kind : "unknown";
}
