// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ExtensionRole } from "../component/extension_use.ts";
import type { Claiming, Using } from "../component/factory.ts";
import { componentKey } from "./component_key.ts";
import type { Spec } from "./plan.ts";

/** How a graph gets from one plan to another. A component that is in none of the lists goes on as it is. */
export interface GraphChange {
  /** New components that can start while all old ones still run. */
  readonly startEarly: readonly Spec[];
  /** Old components that must stop before `startLate` can start, because one of `startLate` claims what they have. */
  readonly stopEarly: readonly Spec[];
  /** New components that start after `stopEarly` has stopped. */
  readonly startLate: readonly Spec[];
  /** Old components that stop last, when all new ones run. */
  readonly stopLate: readonly Spec[];
}

/** Compares two plans. */
export function planChange(before: readonly Spec[], after: readonly Spec[]): GraphChange {
  const kept = keptKeys(before, after);
  const old = before.filter(({ key }) => !kept.has(key));
  const fresh = after.filter(({ key }) => !kept.has(key));
  const oldClaims = claimsOf(before, kept);
  const freshClaims = claimsOf(after, kept);
  const clash = (one: Spec, other: Spec): boolean => {
    const theirs = oldClaims(other);
    return freshClaims(one).some((claim) => theirs.includes(claim));
  };
  const startLate = fresh.filter((one) => old.some((other) => clash(one, other)));
  const stopEarly = old.filter((one) => startLate.some((other) => clash(other, one)));
  const without = (specs: readonly Spec[], others: readonly Spec[]): Spec[] =>
    specs.filter((one) => !others.includes(one));
  return {
    startEarly: without(fresh, startLate),
    stopEarly,
    startLate,
    stopLate: without(old, stopEarly),
  };
}

/**
 * The keys of the components that go on: they are made from the same factory and an equal config in both plans, and so are
 * all extensions that they use.
 */
function keptKeys(before: readonly Spec[], after: readonly Spec[]): ReadonlySet<string> {
  const old = new Map(before.map((one) => [one.key, one]));
  const kept = new Set(after.filter((one) => isSame(old.get(one.key), one)).map(({ key }) => key));
  // An extension may use another one, so the loop repeats until a round removes no more components.
  for (let size = Number.NaN; size !== kept.size; ) {
    size = kept.size;
    for (const one of after) if (!usesOf(one).every(({ key }) => kept.has(key))) kept.delete(one.key);
  }
  return kept;
}

/**
 * Returns a function that lists everything only one component can have at a time:
 *
 * - what the component itself claims;
 * - its key, for a receiver or an extension: two instances of it never run at the same time;
 * - the claims of each extension that it uses and that is exchanged: the component stops before the extension stops,
 *   and starts after the new extension has started;
 * - the claims of its storage, even if the storage goes on: a queue in a storage belongs to one exporter.
 */
function claimsOf(specs: readonly Spec[], kept: ReadonlySet<string>): (one: Spec) => readonly string[] {
  const own = ({ kind, key, part: { factory, config } }: Spec): readonly string[] => [
    ...((factory as Claiming).claims?.(config) ?? []),
    ...((factory as Claiming).sharedClaims?.(config) ?? []),
    ...(kind === "receiver" || kind === "extension" ? [key] : []),
  ];
  return (one) => {
    const used = usesOf(one).filter(({ key, role }) => role === "storage" || !kept.has(key));
    const extensions = specs.filter((other) => used.some(({ key }) => key === other.key));
    return [...own(one), ...extensions.flatMap(own)];
  };
}

function isSame(before: Spec | undefined, { part }: Spec): boolean {
  return (
    before !== undefined &&
    before.part.factory === part.factory &&
    isDeepStrictEqual(before.part.config, part.config)
  );
}

/** The extensions that a component uses, by their keys. */
function usesOf({
  part: { factory, config },
}: Spec): readonly { readonly key: string; readonly role: ExtensionRole }[] {
  const uses = (factory as Using).uses?.(config) ?? [];
  return uses.map(({ id, role }) => ({ key: componentKey("extension", id), role }));
}
