// SPDX-License-Identifier: Apache-2.0
import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
} from "../component/factory.ts";
import type { ComponentKind } from "../component/status.ts";
import { componentKey } from "./component_key.ts";

/** A component of a checked config: its factory, and what the factory's schema returned. */
export interface BlueprintPart<F> {
  readonly id: string;
  readonly factory: F;
  readonly config: unknown;
}

/** The ids of a pipeline's components; processors in the order in which readings pass them. */
export interface PipelineParts {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/** A checked config, as far as the graph needs it. Each id that a pipeline or `extensions` names is in the map of its kind. */
export interface Blueprint {
  readonly receivers: ReadonlyMap<string, BlueprintPart<ReceiverFactory<unknown>>>;
  readonly processors: ReadonlyMap<string, BlueprintPart<ProcessorFactory<unknown>>>;
  readonly exporters: ReadonlyMap<string, BlueprintPart<ExporterFactory<unknown>>>;
  readonly extensions: ReadonlyMap<string, BlueprintPart<ExtensionFactory<unknown>>>;
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: ReadonlyMap<string, PipelineParts>;
  };
}

/** The plan of one component. */
export interface Spec {
  /** Unique in the graph. A processor has a key for each of its pipelines. */
  readonly key: string;
  readonly kind: ComponentKind;
  readonly id: string;
  readonly pipeline: string | undefined;
  readonly part: BlueprintPart<unknown>;
  /** The keys of the components that it hands readings to. */
  readonly outputs: readonly string[];
}

/**
 * Returns the components that the pipelines and `extensions` name, in the order of their start: consumers before producers.
 * As in the Collector, a receiver or exporter has one instance for all its pipelines.
 */
export function planGraph(blueprint: Blueprint): readonly Spec[] {
  const { service } = blueprint;
  const extensions = service.extensions.map((id) => spec("extension", part(blueprint.extensions, id)));
  const exporters = new Map<string, Spec>();
  const processors: Spec[] = [];
  const inputs = new Map<string, string[]>();
  for (const [pipeline, parts] of service.pipelines) {
    for (const id of parts.exporters) exporters.set(id, spec("exporter", part(blueprint.exporters, id)));
    let next = parts.exporters.map((id) => componentKey("exporter", id));
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

/** Returns the components of each pipeline, by the keys that statuses use. */
export function membersOf({ service }: Blueprint): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...service.pipelines].map(([name, { receivers, processors, exporters }]) => [
      name,
      [
        ...receivers.map((id) => componentKey("receiver", id)),
        ...processors.map((id) => componentKey("processor", id)),
        ...exporters.map((id) => componentKey("exporter", id)),
      ],
    ]),
  );
}

/** Returns the name of a component for a message: `processor "batch" of pipeline "metrics"`. */
export function nameOf({ kind, id, pipeline }: Spec): string {
  return `${kind} "${id}"${pipeline === undefined ? "" : ` of pipeline "${pipeline}"`}`;
}

function spec(
  kind: ComponentKind,
  found: BlueprintPart<unknown>,
  { pipeline, outputs = [] }: { pipeline?: string; outputs?: readonly string[] } = {},
): Spec {
  const key = componentKey(kind, found.id) + (pipeline === undefined ? "" : `@${pipeline}`);
  return { key, kind, id: found.id, pipeline, part: found, outputs };
}

function part<F>(parts: ReadonlyMap<string, BlueprintPart<F>>, id: string): BlueprintPart<F> {
  const found = parts.get(id);
  if (found === undefined) throw new Error(`BUG: component "${id}" passed the config check but is not there`);
  return found;
}
