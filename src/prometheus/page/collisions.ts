// SPDX-License-Identifier: Apache-2.0

import type { PageFormat } from "../series/names.ts";
import type { Conflict, Contender, Shape } from "./contenders.ts";

/**
 * What is on the page stays until so many times more resources want something else in its place: a page does not change
 * its mind with every sandbox, and yet the first to come, which may be a lying guest, does not shut out all others.
 */
const TAKEOVER_RATIO = 2;

/** What a line's name may have behind the family's. OpenMetrics keeps `_created` for when the family began to count. */
const LINE_SUFFIXES: Readonly<Record<PageFormat, Readonly<Record<Shape, readonly string[]>>>> = {
  text: { unknown: [], summary: ["_sum", "_count"], histogram: ["_bucket", "_sum", "_count"] },
  openmetrics: {
    unknown: [],
    summary: ["_sum", "_count", "_created"],
    histogram: ["_bucket", "_sum", "_count", "_created"],
  },
};

export interface SettleOptions {
  readonly format: PageFormat;
  /** The shapes of the page of this format before. */
  readonly shown: ReadonlyMap<string, Shape>;
  onConflict(conflict: Conflict): void;
}

/** Decides who is on the page where names collide. The result is in order of names. */
export function settle(
  contenders: readonly Contender[],
  { format, shown, onConflict }: SettleOptions,
): readonly Contender[] {
  const wins = (a: Contender, b: Contender): boolean => strength(a, shown) >= strength(b, shown);
  const winners = new Map<string, Contender>();
  // Among equals the earlier stays: the one with the family that was seen first.
  for (const contender of contenders.toSorted((a, b) => firstId(a) - firstId(b))) {
    const { name } = contender;
    const rival = winners.get(name);
    if (rival === undefined || !wins(rival, contender)) winners.set(name, contender);
    if (rival !== undefined || hasManyKinds(contender)) onConflict({ reason: "type", name });
  }
  for (const winner of [...winners.values()].sort(byName)) {
    if (winners.get(winner.name) !== winner) continue;
    const rivals = namesBeside(winner, format)
      .map((name) => winners.get(name))
      .filter((rival) => rival !== undefined && rival !== winner) as Contender[];
    const losers = rivals.every((rival) => wins(winner, rival)) ? rivals : [winner];
    for (const { name } of losers) winners.delete(name);
    for (const { name } of rivals) onConflict({ reason: "name", name });
  }
  return [...winners.values()].sort(byName);
}

/** The names that a family takes beside its own. */
export function namesBeside({ name, shape }: Contender, format: PageFormat): string[] {
  return LINE_SUFFIXES[format][shape].map((suffix) => name + suffix);
}

function hasManyKinds({ families }: Contender): boolean {
  const [first, ...others] = families.keys();
  return others.some(({ kind }) => kind !== first?.kind);
}

function strength({ name, shape, rows }: Contender, shown: ReadonlyMap<string, Shape>): number {
  return shown.get(name) === shape ? rows * TAKEOVER_RATIO : rows;
}

function firstId({ families }: Contender): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { id } of families.keys()) first = Math.min(first, id);
  return first;
}

/** By code units: a locale's order would differ from machine to machine. */
function byName(a: Contender, b: Contender): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
