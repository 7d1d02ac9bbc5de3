// SPDX-License-Identifier: Apache-2.0
import type { Conflict } from "../series/conflict.ts";
import { CREATED_SUFFIX, childSuffixes } from "../series/suffixes.ts";
import type { Contender, LineShape } from "./contenders.ts";
import type { PageFormat } from "./page_format.ts";

/**
 * If two contenders (each is the families of one name and shape) want a name, the one with more resources gets it. A
 * contender that was on the last page counts this many times its resources, so that the page does not change with every
 * sandbox that comes or goes. The factor is small, so that a contender that came first, perhaps a lying guest's, cannot
 * keep all others off the page for ever.
 */
const SHOWN_WEIGHT = 2;

/** The facts about a page that its collisions depend on. */
export interface CollisionOptions {
  readonly format: PageFormat;
  /** By name, the shape of the family that had the name on the last page of this format. */
  readonly shown: ReadonlyMap<string, LineShape>;
  onConflict(conflict: Conflict): void;
}

/**
 * Decides which contenders are on the page where their names collide. Returns them in order of names. Scalars of
 * different kinds, such as a gauge and a counter, are one contender: both stay, and `declarations.ts` declares the name
 * without a type.
 */
export function resolveCollisions(
  contenders: readonly Contender[],
  { format, shown, onConflict }: CollisionOptions,
): readonly Contender[] {
  const wins = (a: Contender, b: Contender): boolean => strength(a, shown) >= strength(b, shown);
  const winners = new Map<string, Contender>();
  // Among contenders of equal strength the earlier one wins: the one whose family was seen first.
  for (const contender of contenders.toSorted((a, b) => firstId(a) - firstId(b))) {
    const { name } = contender;
    const rival = winners.get(name);
    if (rival === undefined || !wins(rival, contender)) winners.set(name, contender);
    if (rival !== undefined || hasManyKinds(contender)) onConflict({ reason: "type", name });
  }
  for (const winner of [...winners.values()].sort(byName)) {
    if (winners.get(winner.name) !== winner) continue;
    const rivals = childNames(winner, format)
      .map((name) => winners.get(name))
      .filter((rival) => rival !== undefined && rival !== winner) as Contender[];
    const losers = rivals.every((rival) => wins(winner, rival)) ? rivals : [winner];
    for (const { name } of losers) winners.delete(name);
    for (const { name } of rivals) onConflict({ reason: "name", name });
  }
  return [...winners.values()].sort(byName);
}

/** The names of lines that a family reserves in addition to its own name, such as those with `_sum` and `_count`. */
export function childNames({ name, shape }: Contender, format: PageFormat): string[] {
  const names = childSuffixes(shape).map((suffix) => name + suffix);
  if (format === "openmetrics" && shape !== "unknown") names.push(name + CREATED_SUFFIX);
  return names;
}

function hasManyKinds({ families }: Contender): boolean {
  const [first, ...others] = families.keys();
  return others.some(({ kind }) => kind !== first?.kind);
}

function strength({ name, shape, rows }: Contender, shown: ReadonlyMap<string, LineShape>): number {
  return shown.get(name) === shape ? rows * SHOWN_WEIGHT : rows;
}

function firstId({ families }: Contender): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { id } of families.keys()) first = Math.min(first, id);
  return first;
}

/** Compares by code units, since the order of a locale would differ from machine to machine. */
function byName(a: Contender, b: Contender): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
