// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ExtensionRole } from "../component/extension_use.ts";
import type {
  Claiming,
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
  Using,
} from "../component/factory.ts";
import type { ComponentKind } from "../component/status.ts";
import { keyOf } from "./statuses.ts";

/** A checked component of the config: its factory, and what the factory's schema made of the user's words. */
export interface Part<F> {
  readonly id: string;
  readonly factory: F;
  readonly config: unknown;
}

export interface PipelineParts {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/** What a graph is built from. Every id that a pipeline or `extensions` names is in the map of its kind. */
export interface Blueprint {
  readonly receivers: ReadonlyMap<string, Part<ReceiverFactory<unknown>>>;
  readonly processors: ReadonlyMap<string, Part<ProcessorFactory<unknown>>>;
  readonly exporters: ReadonlyMap<string, Part<ExporterFactory<unknown>>>;
  readonly extensions: ReadonlyMap<string, Part<ExtensionFactory<unknown>>>;
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: ReadonlyMap<string, PipelineParts>;
  };
}

/** One component that a graph is to have. */
export interface Spec {
  /** Unique in the graph: a processor is there once for each of its pipelines. */
  readonly key: string;
  readonly kind: ComponentKind;
  readonly id: string;
  readonly pipeline: string | undefined;
  readonly part: Part<unknown>;
  /** The keys of those that it hands readings to. */
  readonly outputs: readonly string[];
}

/**
 * The components that the pipelines and extensions name, consumers before producers, which is the order of their start.
 * As in the Collector, one receiver and one exporter instance serves all its pipelines.
 */
export function planOf(blueprint: Blueprint): readonly Spec[] {
  const { service } = blueprint;
  const extensions = service.extensions.map((id) => spec("extension", part(blueprint.extensions, id)));
  const exporters = new Map<string, Spec>();
  const processors: Spec[] = [];
  const inputs = new Map<string, string[]>();
  for (const [pipeline, parts] of service.pipelines) {
    for (const id of parts.exporters) exporters.set(id, spec("exporter", part(blueprint.exporters, id)));
    let next = parts.exporters.map((id) => keyOf("exporter", id));
    for (const id of parts.processors.toReversed()) {
      const processor = spec("processor", part(blueprint.processors, id), { pipeline, outputs: next });
      processors.push(processor);
      next = [processor.key];
    }
    for (const id of parts.receivers) inputs.set(id, [...(inputs.get(id) ?? []), ...next]);
  }
  const receivers = [...inputs].map(([id, outputs]) =>
    spec("receiver", part(blueprint.receivers, id), { outputs }),
  );
  return [...extensions, ...exporters.values(), ...processors, ...receivers];
}

/** The components of each pipeline, as statuses name them. */
export function membersOf({ service }: Blueprint): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...service.pipelines].map(([name, { receivers, processors, exporters }]) => [
      name,
      [
        ...receivers.map((id) => keyOf("receiver", id)),
        ...processors.map((id) => keyOf("processor", id)),
        ...exporters.map((id) => keyOf("exporter", id)),
      ],
    ]),
  );
}

/** The components of `before` that can go on as they are in `after`: what they were made of is the same. */
function keptOf(before: readonly Spec[], after: readonly Spec[]): ReadonlySet<string> {
  const old = new Map(before.map((one) => [one.key, one]));
  const kept = new Set(after.filter((one) => isSame(old.get(one.key), one)).map(({ key }) => key));
  // Who uses an extension holds a part of it, and may be an extension that others use.
  for (let size = Number.NaN; size !== kept.size; ) {
    size = kept.size;
    for (const one of after) if (!usesOf(one).every(({ key }) => kept.has(key))) kept.delete(one.key);
  }
  return kept;
}

/** How to get from one plan to another. */
export interface Exchange {
  /** What is new and can start while everything old still runs. */
  readonly early: readonly Spec[];
  /** What is new and must wait until `freed` has stopped. */
  readonly late: readonly Spec[];
  /** What is old and has what a late one claims. */
  readonly freed: readonly Spec[];
  /** What is old and stops last. */
  readonly leaving: readonly Spec[];
}

export function exchangeOf(before: readonly Spec[], after: readonly Spec[]): Exchange {
  const kept = keptOf(before, after);
  const old = before.filter(({ key }) => !kept.has(key));
  const coming = after.filter(({ key }) => !kept.has(key));
  const claimed = claimsOf(before, kept);
  const wanted = claimsOf(after, kept);
  const clash = (one: Spec, other: Spec): boolean => {
    const theirs = claimed(other);
    return wanted(one).some((claim) => theirs.includes(claim));
  };
  const late = coming.filter((one) => old.some((other) => clash(one, other)));
  const freed = old.filter((one) => late.some((other) => clash(other, one)));
  const without = (specs: readonly Spec[], others: readonly Spec[]): Spec[] =>
    specs.filter((one) => !others.includes(one));
  return { early: without(coming, late), late, freed, leaving: without(old, freed) };
}

/**
 * What only one component can have at a time. Receivers and extensions have no double. Who uses an extension stops before
 * it is exchanged and starts after that; and a queue in a storage is its exporter's alone.
 */
function claimsOf(specs: readonly Spec[], kept: ReadonlySet<string>): (one: Spec) => readonly string[] {
  const own = ({ kind, key, part: { factory, config } }: Spec): readonly string[] => [
    ...((factory as Claiming).claims?.(config) ?? []),
    ...((factory as Claiming).sharedClaims?.(config) ?? []),
    ...(kind === "receiver" || kind === "extension" ? [key] : []),
  ];
  return (one) => {
    const leaned = usesOf(one).filter(({ key, role }) => role === "storage" || !kept.has(key));
    const holders = specs.filter((other) => leaned.some(({ key }) => key === other.key));
    return [...own(one), ...holders.flatMap(own)];
  };
}

/** A part of a graph, in words. */
export function nameOf({ kind, id, pipeline }: Spec): string {
  return `${kind} "${id}"${pipeline === undefined ? "" : ` of pipeline "${pipeline}"`}`;
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
  return uses.map(({ id, role }) => ({ key: keyOf("extension", id), role }));
}

function spec(
  kind: ComponentKind,
  found: Part<unknown>,
  { pipeline, outputs = [] }: { pipeline?: string; outputs?: readonly string[] } = {},
): Spec {
  const key = keyOf(kind, found.id) + (pipeline === undefined ? "" : `@${pipeline}`);
  return { key, kind, id: found.id, pipeline, part: found, outputs };
}

function part<F>(parts: ReadonlyMap<string, Part<F>>, id: string): Part<F> {
  const found = parts.get(id);
  if (found === undefined) throw new Error(`BUG: component "${id}" passed the config check but is not there`);
  return found;
}
