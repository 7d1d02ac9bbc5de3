import type {
  Component,
  Consumer,
  Exporter,
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
  Settings,
} from "../component/component.ts";
import { fanOut } from "./fan_out.ts";
import { guard } from "./guard.ts";
import { counted, type ProcessorCounters } from "./observe.ts";

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

export type ComponentKind = "receiver" | "processor" | "exporter" | "extension";

export interface GraphOptions {
  settings(kind: ComponentKind, id: string, pipeline?: string): Settings;
  readonly counters: ProcessorCounters;
}

interface Node {
  readonly name: string;
  readonly component: Component;
}

/** The components in the order in which they start; they stop in the opposite one. */
export interface Graph {
  readonly nodes: readonly Node[];
}

/**
 * Makes every component that a pipeline names, consumers before producers. As in the Collector, one receiver and one
 * exporter instance serves all its pipelines, and a processor is made anew for each. Has no side effect.
 */
export function buildGraph(blueprint: Blueprint, options: GraphOptions): Graph {
  const exporters = new Map<string, { exporter: Exporter; consumer: Consumer }>();
  const inputs = new Map<string, Consumer[]>();
  const processors: Node[] = [];

  for (const [name, pipeline] of blueprint.service.pipelines) {
    const outputs = pipeline.exporters.map((id) => {
      const known = exporters.get(id);
      if (known !== undefined) return known.consumer;
      const { factory, config } = part(blueprint.exporters, id);
      const settings = options.settings("exporter", id);
      const exporter = factory.create(config, settings);
      const consumer = guard(exporter, settings.logger);
      exporters.set(id, { exporter, consumer });
      return consumer;
    });
    let next = fanOut(outputs);
    for (const id of pipeline.processors.toReversed()) {
      const { factory, config } = part(blueprint.processors, id);
      const settings = options.settings("processor", id, name);
      const labels = { processor: id, "otel.signal": "metrics" };
      const processor = factory.create(config, settings, counted(next, options.counters.outgoing, labels));
      processors.push({ name: `processor "${id}" of pipeline "${name}"`, component: processor });
      next = counted(guard(processor, settings.logger), options.counters.incoming, labels);
    }
    for (const id of pipeline.receivers) inputs.set(id, [...(inputs.get(id) ?? []), next]);
  }

  const receivers = [...inputs].map(([id, consumers]) => {
    const { factory, config } = part(blueprint.receivers, id);
    const component = factory.create(config, options.settings("receiver", id), fanOut(consumers));
    return { name: `receiver "${id}"`, component };
  });
  const extensions = blueprint.service.extensions.map((id) => {
    const { factory, config } = part(blueprint.extensions, id);
    return {
      name: `extension "${id}"`,
      component: factory.create(config, options.settings("extension", id)),
    };
  });
  const exporterNodes = [...exporters].map(([id, { exporter }]) => ({
    name: `exporter "${id}"`,
    component: exporter,
  }));
  return { nodes: [...extensions, ...exporterNodes, ...processors, ...receivers] };
}

/** Starts the components in order. Rejects with the first failure, naming its component; what has started stays up. */
export async function startGraph(graph: Graph): Promise<void> {
  for (const { name, component } of graph.nodes) {
    try {
      await component.start();
    } catch (error) {
      throw new Error(`cannot start ${name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}

/**
 * Stops the components, receivers first, so that each hands what it holds to one that still runs. Goes on past a
 * failure; resolves to the failures.
 */
export async function shutdownGraph(graph: Graph, deadline: AbortSignal): Promise<Error[]> {
  const failures: Error[] = [];
  for (const { name, component } of graph.nodes.toReversed()) {
    try {
      await component.shutdown(deadline);
    } catch (error) {
      failures.push(
        new Error(`cannot shut down ${name}: ${error instanceof Error ? error.message : String(error)}`),
      );
    }
  }
  return failures;
}

function part<F>(parts: ReadonlyMap<string, Part<F>>, id: string): Part<F> {
  const found = parts.get(id);
  if (found === undefined) throw new Error(`BUG: component "${id}" passed the config check but is not there`);
  return found;
}
