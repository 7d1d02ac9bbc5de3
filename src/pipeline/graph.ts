import type {
  Component,
  ComponentKind,
  Consumer,
  Exporter,
  ExporterFactory,
  ExtensionFactory,
  Processor,
  ProcessorFactory,
  ReceiverFactory,
  Settings,
} from "../component/component.ts";
import { fanOut } from "./fan_out.ts";
import { guard } from "./guard.ts";
import { counted, type ProcessorCounters } from "./observe.ts";
import { type Blueprint, keptOf, membersOf, nameOf, planOf, type Spec } from "./plan.ts";
import { Relay } from "./relay.ts";
import type { StatusBoard } from "./statuses.ts";

export interface GraphOptions {
  settings(kind: ComponentKind, id: string, pipeline?: string): Settings;
  readonly counters: ProcessorCounters;
  readonly statuses: StatusBoard;
  /** Hears of what could not be stopped as it should. */
  onError(error: Error): void;
}

/** A component at work. */
interface Node {
  readonly component: Component;
  /** Where readings come in; receivers and extensions have none. */
  readonly input: Consumer | undefined;
}

/**
 * The components of one agent. Going over from one blueprint to another keeps what is the same in both, with all that
 * it holds; the first start is a change from nothing.
 */
export class Graph {
  readonly #options: GraphOptions;
  #specs: readonly Spec[] = [];
  #pipelines: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #nodes = new Map<string, Node>();
  /** What stands before each consumer, and behind each producer, so that both can be exchanged. */
  readonly #inputs = new Map<string, Relay>();
  readonly #outputs = new Map<string, Relay>();

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  /** The keys of the components, in the order of their start. */
  get keys(): readonly string[] {
    return this.#specs.map(({ key }) => key);
  }

  /**
   * Goes over to the blueprint: stops what it does not have, or has otherwise, then starts what is new. Rejects, naming
   * the component, when one cannot start; what was there before then runs again.
   */
  async change(blueprint: Blueprint, deadline: AbortSignal): Promise<void> {
    const before = { specs: this.#specs, pipelines: this.#pipelines };
    const after = { specs: planOf(blueprint), pipelines: membersOf(blueprint) };
    const kept = keptOf(before.specs, after.specs);
    const leaving = before.specs.filter(({ key }) => !kept.has(key));
    const coming = after.specs.filter(({ key }) => !kept.has(key));
    await this.#stop(leaving, deadline);
    this.#arrange(after);
    try {
      await this.#start(coming);
    } catch (error) {
      await this.#stop(coming, deadline);
      this.#arrange(before);
      await this.#start(leaving).catch((again: Error) => {
        throw new AggregateError([error, again], `${message(error)}; and then: ${again.message}`);
      });
      throw error;
    }
  }

  /** Lets every component read its files again. Resolves to what went wrong. */
  async refresh(): Promise<Error[]> {
    const failures: Error[] = [];
    for (const spec of this.#specs) {
      await this.#nodes
        .get(spec.key)
        ?.component.refresh?.()
        .catch((error: unknown) => failures.push(new Error(`${nameOf(spec)}: ${message(error)}`)));
    }
    return failures;
  }

  /** Stops the components, receivers first, so that each hands what it holds to one that still runs. */
  async shutdown(deadline: AbortSignal): Promise<boolean> {
    return await this.#stop(this.#specs, deadline);
  }

  #arrange({
    specs,
    pipelines,
  }: {
    specs: readonly Spec[];
    pipelines: ReadonlyMap<string, readonly string[]>;
  }): void {
    this.#specs = specs;
    this.#pipelines = pipelines;
    const extensions = specs.filter(({ kind }) => kind === "extension").map(({ id }) => id);
    this.#options.statuses.arrange(pipelines, extensions);
    for (const { key, outputs } of specs)
      relayOf(this.#outputs, key).connect(fanOut(outputs.map((output) => relayOf(this.#inputs, output))));
    const keys = new Set(specs.map(({ key }) => key));
    for (const relays of [this.#inputs, this.#outputs])
      for (const key of relays.keys()) if (!keys.has(key)) relays.delete(key);
  }

  async #start(specs: readonly Spec[]): Promise<void> {
    const { statuses } = this.#options;
    // All are made before one starts: those that share a listener must know of each other.
    const made = specs.map((spec) => ({ spec, node: this.#make(spec) }));
    for (const { spec, node } of made) this.#nodes.set(spec.key, node);
    for (const { spec, node } of made) {
      const { key, kind, id } = spec;
      statuses.report(kind, id, "starting");
      try {
        await node.component.start();
      } catch (error) {
        statuses.report(kind, id, "permanent_error", message(error));
        throw new Error(`cannot start ${nameOf(spec)}: ${message(error)}`, { cause: error });
      }
      // A component that has met something by now has said so.
      const status = statuses.components().find((one) => one.kind === kind && one.id === id);
      if (status?.state === "starting") statuses.report(kind, id, "ok");
      if (node.input !== undefined) relayOf(this.#inputs, key).connect(node.input);
    }
  }

  /** Goes on past a failure; resolves to whether there was none. */
  async #stop(specs: readonly Spec[], deadline: AbortSignal): Promise<boolean> {
    const { statuses, onError } = this.#options;
    let clean = true;
    for (const spec of specs.toReversed()) {
      const { key, kind, id } = spec;
      const node = this.#nodes.get(key);
      if (node === undefined) continue;
      statuses.report(kind, id, "stopping");
      // From now on it would refuse what comes; whoever takes its place will not.
      relayOf(this.#inputs, key).disconnect();
      try {
        await node.component.shutdown(deadline);
      } catch (error) {
        clean = false;
        onError(new Error(`cannot shut down ${nameOf(spec)}: ${message(error)}`, { cause: error }));
      }
      statuses.report(kind, id, "stopped");
      this.#nodes.delete(key);
    }
    return clean;
  }

  #make({ kind, id, key, pipeline, part }: Spec): Node {
    const { settings: settingsOf, counters } = this.#options;
    const settings = settingsOf(kind, id, pipeline);
    const { config } = part;
    const next = relayOf(this.#outputs, key);
    switch (kind) {
      case "extension": {
        const factory = part.factory as ExtensionFactory<unknown>;
        return { component: factory.create(config, settings), input: undefined };
      }
      case "exporter": {
        const exporter: Exporter = (part.factory as ExporterFactory<unknown>).create(config, settings);
        return { component: exporter, input: guard(exporter, settings.logger) };
      }
      case "processor": {
        const labels = { processor: id, "otel.signal": "metrics" };
        const factory = part.factory as ProcessorFactory<unknown>;
        const output = counted(next, counters.outgoing, labels);
        const processor: Processor = factory.create(config, settings, output);
        const input = counted(guard(processor, settings.logger), counters.incoming, labels);
        return { component: processor, input: { ...input, isBlocked: () => next.isBlocked() } };
      }
      case "receiver": {
        const factory = part.factory as ReceiverFactory<unknown>;
        return { component: factory.create(config, settings, next), input: undefined };
      }
    }
  }
}

function relayOf(relays: Map<string, Relay>, key: string): Relay {
  const known = relays.get(key);
  if (known !== undefined) return known;
  const relay = new Relay();
  relays.set(key, relay);
  return relay;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
