import type { Kind } from "../metrics/model.ts";
import type { Conflict, Contender, Shape } from "./write_draft.ts";

/**
 * What is on the page stays until so many times more resources want something else in its place: a page does not change
 * its mind with every sandbox, and yet the first to come, which may be a lying guest, does not shut out all others.
 */
const TAKEOVER_RATIO = 2;

/** What a line's name may have behind the family's. */
const LINE_SUFFIXES: Readonly<Record<Shape, readonly string[]>> = {
  unknown: [],
  summary: ["_sum", "_count"],
  histogram: ["_bucket", "_sum", "_count"],
};

/** Decides who is on the page where names collide, given the shapes of the page before. The result is in order of names. */
export function settle(
  contenders: readonly Contender[],
  shown: ReadonlyMap<string, Shape>,
  onConflict: (conflict: Conflict) => void,
): readonly Contender[] {
  const wins = (a: Contender, b: Contender): boolean => strength(a, shown) >= strength(b, shown);
  const winners = new Map<string, Contender>();
  // Among equals the earlier stays: the one with the family that was seen first.
  for (const contender of contenders.toSorted((a, b) => firstId(a) - firstId(b))) {
    const { name } = contender;
    const rival = winners.get(name);
    if (rival === undefined || !wins(rival, contender)) winners.set(name, contender);
    if (rival !== undefined || kindsOf(contender).size > 1) onConflict({ reason: "type", name });
  }
  for (const winner of [...winners.values()].sort(byName)) {
    if (winners.get(winner.name) !== winner) continue;
    const rivals = linesOf(winner)
      .map((line) => winners.get(line))
      .filter((rival) => rival !== undefined && rival !== winner) as Contender[];
    const losers = rivals.every((rival) => wins(winner, rival)) ? rivals : [winner];
    for (const { name } of losers) winners.delete(name);
    for (const { name } of rivals) onConflict({ reason: "name", name });
  }
  return [...winners.values()].sort(byName);
}

/** The names that a family's lines may have, beside its own. */
export function linesOf({ name, shape }: { readonly name: string; readonly shape: Shape }): string[] {
  return LINE_SUFFIXES[shape].map((suffix) => name + suffix);
}

/** The kinds of all families of the contender. */
function kindsOf({ families }: Contender): ReadonlySet<Kind> {
  const kinds = new Set<Kind>();
  for (const { kind } of families.keys()) kinds.add(kind);
  return kinds;
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
