// SPDX-License-Identifier: Apache-2.0

import type { Component, Exporter, Processor, Settings } from "../component/component.ts";
import type { Consumer } from "../component/consumer.ts";
import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
} from "../component/factory.ts";
import type { ComponentKind } from "../component/status.ts";
import { messageOf } from "../text/error_text.ts";
import { guard } from "./guard.ts";
import { InstanceStatuses } from "./instance_statuses.ts";
import { counted, type PipelineCounters } from "./observe.ts";
import { OpenResources } from "./open_resources.ts";
import { nameOf, type Spec } from "./plan.ts";
import type { StatusBoard } from "./statuses.ts";

/** One instance of a component. */
export interface Node {
  readonly component: Component;
  /** The consumer through which the component gets readings. Undefined for receivers and extensions, which get none. */
  readonly input: Consumer | undefined;
  /** The resources that a receiver has not ended. Left out for other kinds. */
  readonly open?: OpenResources;
  readonly statuses: InstanceStatuses;
}

/** The things that every node of a graph is made with. */
export interface NodeOptions {
  /** Returns the settings of a component. `pipeline` is given for a processor, which has an instance per pipeline. */
  settings(kind: ComponentKind, id: string, pipeline?: string): Settings;
  readonly counters: PipelineCounters;
  readonly statuses: StatusBoard;
}

/** Makes the component without side effects. `next` takes the readings that the component hands on. */
export function makeNode({ kind, id, pipeline, part }: Spec, next: Consumer, options: NodeOptions): Node {
  const { counters } = options;
  const given = options.settings(kind, id, pipeline);
  const statuses = new InstanceStatuses(options.statuses);
  const settings: Settings = { ...given, host: { ...given.host, statuses } };
  const { config } = part;
  switch (kind) {
    case "extension": {
      const factory = part.factory as ExtensionFactory<unknown>;
      return { component: factory.create(config, settings), input: undefined, statuses };
    }
    case "exporter": {
      const exporter: Exporter = (part.factory as ExporterFactory<unknown>).create(config, settings);
      return { component: exporter, input: guard(exporter, settings.logger), statuses };
    }
    case "processor": {
      const labels = { processor: id, "otel.signal": "metrics" };
      const factory = part.factory as ProcessorFactory<unknown>;
      const output = counted(next, counters.outgoing, labels);
      const processor: Processor = factory.create(config, settings, output);
      const input = counted(guard(processor, settings.logger), counters.incoming, labels);
      return { component: processor, input, statuses };
    }
    case "receiver": {
      const factory = part.factory as ReceiverFactory<unknown>;
      const open = new OpenResources(next, settings.clock);
      return { component: factory.create(config, settings, open), input: undefined, open, statuses };
    }
  }
}

/**
 * Shuts components down: receivers, processors, exporters, extensions. Components of one kind shut down at the same
 * time, so that one that hangs does not use up the time of the others. Only processors shut down one after the other,
 * because they hand readings on to each other. Goes on after a failure. Resolves to false if a component failed.
 */
export async function shutDownNodes(
  nodes: readonly (readonly [Spec, Node])[],
  deadline: AbortSignal,
  onError: (error: Error) => void,
): Promise<boolean> {
  let clean = true;
  for (const [, { statuses }] of nodes) statuses.dismiss();
  const end = async ([spec, { component }]: readonly [Spec, Node]): Promise<void> => {
    try {
      await component.shutdown(deadline);
    } catch (error) {
      clean = false;
      const words = messageOf(error);
      onError(new Error(`cannot shut down ${nameOf(spec)}: ${words}`, { cause: error }));
    }
  };
  const of = (kind: ComponentKind) => nodes.filter(([spec]) => spec.kind === kind).toReversed();
  await Promise.all(of("receiver").map(end));
  for (const processor of of("processor")) await end(processor);
  await Promise.all(of("exporter").map(end));
  await Promise.all(of("extension").map(end));
  return clean;
}
