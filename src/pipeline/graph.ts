import type { Clock } from "../clock/clock.ts";
import type {
  Component,
  ComponentKind,
  Exporter,
  ExporterFactory,
  ExtensionFactory,
  Processor,
  ProcessorFactory,
  ReceiverFactory,
  Settings,
} from "../component/component.ts";
import type { Consumer } from "../component/consumer.ts";
import { pointCount, type Reading } from "../metrics/model.ts";
import { fanOut } from "./fan_out.ts";
import { guard } from "./guard.ts";
import { counted, type PipelineCounters } from "./observe.ts";
import { OpenResources, Orphans } from "./open_resources.ts";
import { type Blueprint, exchangeOf, membersOf, nameOf, planOf, type Spec } from "./plan.ts";
import { Relay } from "./relay.ts";
import type { StatusBoard } from "./statuses.ts";

export interface GraphOptions {
  readonly clock: Clock;
  settings(kind: ComponentKind, id: string, pipeline?: string): Settings;
  readonly counters: PipelineCounters;
  readonly statuses: StatusBoard;
  /** Hears of what could not be stopped as it should. */
  onError(error: Error): void;
}

/** A component at work. */
interface Node {
  readonly component: Component;
  /** Where readings come in; receivers and extensions have none. */
  readonly input: Consumer | undefined;
  /** What a receiver has not ended; others have none. */
  readonly open?: OpenResources;
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
  readonly #relays = { inputs: new Map<string, Relay>(), outputs: new Map<string, Relay>() };

  readonly #orphans: Orphans;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#orphans = new Orphans(options.clock);
  }

  /** The keys of the components, in the order of their start. */
  get keys(): readonly string[] {
    return this.#specs.map(({ key }) => key);
  }

  /**
   * Goes over to the blueprint. What is new starts beside the old where it can, so that a fault there costs nothing; what
   * claims the same as an old one takes its place. Meanwhile sources make no readings. Rejects, naming the component, when
   * one cannot start; what was there before is then at work again.
   */
  async change(blueprint: Blueprint, deadline: AbortSignal): Promise<void> {
    const { statuses } = this.#options;
    const before = { specs: this.#specs, pipelines: this.#pipelines };
    const after = { specs: planOf(blueprint), pipelines: membersOf(blueprint) };
    const { early, late, freed, leaving } = exchangeOf(before.specs, after.specs);
    const restoreStatuses = statuses.save();
    const fresh = this.#makeAll(early);
    const replaced = this.#running(freed);
    try {
      await this.#start(fresh);
      this.#arrange(after);
      await this.#retire(freed, deadline);
      await this.#takePlace(late, deadline);
    } catch (error) {
      await this.#shutDown([...fresh], deadline);
      this.#arrange(before);
      this.#install(new Map(this.#running(before.specs)));
      const again = this.#makeAll(freed.filter(({ key }) => !this.#nodes.has(key)));
      await this.#start(again).catch((second: Error) => {
        throw new AggregateError([error, second], `${message(error)}; and then: ${second.message}`);
      });
      this.#install(again);
      this.#endOrphans(replaced);
      restoreStatuses();
      throw error;
    }
    // What is new takes over before the old drains: a peer that hangs must not stop the scraping.
    const old = this.#running(leaving);
    this.#install(fresh);
    this.#remove(leaving.filter(({ key }) => ![...fresh.keys()].some((one) => one.key === key)));
    await this.#shutDown(old, deadline);
    this.#endOrphans(old);
    this.#endOrphans(replaced);
  }

  /** Lets every component read its files again. Resolves to what went wrong, which `statuses` knows as well. */
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
    const { statuses } = this.#options;
    const nodes = this.#running(this.#specs);
    this.#orphans.close();
    for (const [{ kind, id }] of nodes) statuses.report(kind, id, "stopping");
    const clean = await this.#shutDown(nodes, deadline);
    for (const [{ kind, id, key }] of nodes) {
      statuses.report(kind, id, "stopped");
      this.#nodes.delete(key);
    }
    return clean;
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
      this.#relay("outputs", key).connect(fanOut(outputs.map((output) => this.#relay("inputs", output))));
    const keys = new Set(specs.map(({ key }) => key));
    for (const relays of Object.values(this.#relays))
      for (const key of relays.keys()) if (!keys.has(key)) relays.delete(key);
  }

  #running(specs: readonly Spec[]): (readonly [Spec, Node])[] {
    return specs.flatMap((spec) => {
      const node = this.#nodes.get(spec.key);
      return node === undefined ? [] : [[spec, node] as const];
    });
  }

  #makeAll(specs: readonly Spec[]): ReadonlyMap<Spec, Node> {
    return new Map(specs.map((spec) => [spec, this.#make(spec)]));
  }

  /** Starts what has been made: all of it has, since those that share a listener must know of each other. */
  async #start(nodes: ReadonlyMap<Spec, Node>): Promise<void> {
    const { statuses } = this.#options;
    for (const [spec, { component }] of nodes) {
      const { kind, id } = spec;
      statuses.report(kind, id, "starting");
      try {
        await component.start();
      } catch (error) {
        statuses.report(kind, id, "permanent_error", message(error));
        throw new Error(`cannot start ${nameOf(spec)}: ${message(error)}`, { cause: error });
      }
      // A component that has met something by now has said so.
      const status = statuses.components().find((one) => one.kind === kind && one.id === id);
      if (status?.state === "starting") statuses.report(kind, id, "ok");
    }
  }

  /** From now on they are the ones at work. */
  #install(nodes: ReadonlyMap<Spec, Node>): void {
    for (const [{ key }, node] of nodes) {
      this.#nodes.set(key, node);
      if (node.input !== undefined) this.#relay("inputs", key).connect(node.input);
    }
  }

  /** Makes, starts and installs, or leaves nothing running. */
  async #takePlace(specs: readonly Spec[], deadline: AbortSignal): Promise<void> {
    const nodes = this.#makeAll(specs);
    try {
      await this.#start(nodes);
    } catch (error) {
      await this.#shutDown([...nodes], deadline);
      throw error;
    }
    this.#install(nodes);
  }

  /** Stops components that others take the place of, or nobody; ends that come to them meanwhile wait. */
  async #retire(specs: readonly Spec[], deadline: AbortSignal): Promise<void> {
    const nodes = this.#running(specs);
    this.#remove(specs);
    await this.#shutDown(nodes, deadline);
  }

  #endOrphans(gone: readonly (readonly [Spec, Node])[]): void {
    for (const [{ key }, { open }] of gone) {
      const successor = this.#nodes.get(key)?.open;
      if (open !== undefined && open !== successor) this.#orphans.endAll(open, successor);
    }
  }

  /** From now on nobody is there. */
  #remove(specs: readonly Spec[]): void {
    for (const { key } of specs) {
      this.#relays.inputs.get(key)?.disconnect();
      this.#nodes.delete(key);
    }
  }

  /**
   * Shuts down components, producers before consumers, and those of a kind at once: one that hangs must not take the
   * time of others. Processors hand on to each other, so they end in their order. Goes on past a failure; resolves to
   * whether there was none.
   */
  async #shutDown(nodes: readonly (readonly [Spec, Node])[], deadline: AbortSignal): Promise<boolean> {
    let clean = true;
    const end = async ([spec, { component }]: readonly [Spec, Node]): Promise<void> => {
      try {
        await component.shutdown(deadline);
      } catch (error) {
        clean = false;
        this.#options.onError(
          new Error(`cannot shut down ${nameOf(spec)}: ${message(error)}`, { cause: error }),
        );
      }
    };
    const of = (kind: ComponentKind) => nodes.filter(([spec]) => spec.kind === kind).toReversed();
    await Promise.all(of("receiver").map(end));
    for (const processor of of("processor")) await end(processor);
    await Promise.all(of("exporter").map(end));
    await Promise.all(of("extension").map(end));
    return clean;
  }

  /** Before the component of that key, or behind it. */
  #relay(side: "inputs" | "outputs", key: string): Relay {
    const relays = this.#relays[side];
    let relay = relays.get(key);
    if (relay === undefined) {
      const attributes = { "otelcol.component": key };
      relay = new Relay(({ schema }: Reading) =>
        this.#options.counters.exchanged.add(pointCount(schema), attributes),
      );
      relays.set(key, relay);
    }
    return relay;
  }

  #make({ kind, id, key, pipeline, part }: Spec): Node {
    const { settings: settingsOf, counters } = this.#options;
    const settings = settingsOf(kind, id, pipeline);
    const { config } = part;
    const next = this.#relay("outputs", key);
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
        return {
          component: processor,
          input: counted(guard(processor, settings.logger), counters.incoming, labels),
        };
      }
      case "receiver": {
        const factory = part.factory as ReceiverFactory<unknown>;
        const open = new OpenResources(next, settings.clock);
        return { component: factory.create(config, settings, open), input: undefined, open };
      }
    }
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
