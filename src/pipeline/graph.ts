// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../clock/clock.ts";
import { pointCount, type Reading } from "../metrics/model.ts";
import { messageOf } from "../text/error_text.ts";
import { fanOut } from "./fan_out.ts";
import { makeNode, type Node, type NodeOptions, shutDownNodes } from "./node.ts";
import { Orphans } from "./open_resources.ts";
import { type Blueprint, exchangeOf, membersOf, nameOf, planOf, type Spec } from "./plan.ts";
import { Relay } from "./relay.ts";

export interface GraphOptions extends NodeOptions {
  readonly clock: Clock;
  /** Hears of what could not be stopped as it should. */
  onError(error: Error): void;
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
  /** The agent is not ready until a configuration is at work as a whole. */
  #whenWhole: () => void;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#orphans = new Orphans(options.clock);
    this.#whenWhole = options.statuses.holdAgent("the agent is starting");
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
    const whenStarted = this.#holdReadiness([...early, ...late]);
    const fresh = this.#makeAll(early);
    const replaced = this.#running(freed);
    try {
      await this.#start(fresh);
      this.#arrange(after);
      await this.#retire(freed, deadline);
      await this.#takePlace(late, deadline);
    } catch (error) {
      await this.#shutDown(fresh, deadline);
      this.#arrange(before);
      restoreStatuses();
      this.#install(new Map(this.#running(before.specs)));
      const failures = await this.#startAgain(
        freed.filter(({ key }) => !this.#nodes.has(key)),
        deadline,
      );
      this.#endOrphans(replaced);
      this.#leaveOut(failures);
      whenStarted();
      if (failures.size === 0) throw error;
      const errors = [error, ...failures.values()];
      throw new AggregateError(errors, errors.map(messageOf).join("; and then: "));
    }
    // What is new takes over before the old drains: a peer that hangs must not stop the scraping.
    const old = this.#running(leaving);
    this.#install(fresh);
    whenStarted();
    this.#whenWhole();
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
        .catch((error: unknown) => failures.push(new Error(`${nameOf(spec)}: ${messageOf(error)}`)));
    }
    return failures;
  }

  /** Stops the components, receivers first, so that each hands what it holds to one that still runs. */
  async shutdown(deadline: AbortSignal): Promise<boolean> {
    const { statuses } = this.#options;
    const nodes = this.#running(this.#specs);
    this.#orphans.close();
    statuses.holdAgent("the agent is stopping");
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
    return new Map(
      specs.map((spec) => [spec, makeNode(spec, this.#relay("outputs", spec.key), this.#options)]),
    );
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
        statuses.report(kind, id, "permanent_error", messageOf(error));
        throw new Error(`cannot start ${nameOf(spec)}: ${messageOf(error)}`, { cause: error });
      }
      // A component that has met something by now has said so.
      const status = statuses.components().find((one) => one.kind === kind && one.id === id);
      if (status?.state === "starting") statuses.report(kind, id, "ok");
    }
  }

  /** Starts what a failed change has stopped. Resolves to those that could not be started, with their errors. */
  async #startAgain(specs: readonly Spec[], deadline: AbortSignal): Promise<ReadonlyMap<Spec, Error>> {
    const failures = new Map<Spec, Error>();
    for (const [spec, node] of this.#makeAll(specs)) {
      const one = new Map([[spec, node]]);
      try {
        await this.#start(one);
        this.#install(one);
      } catch (error) {
        failures.set(spec, error as Error);
        await this.#shutDown(one, deadline);
      }
    }
    return failures;
  }

  /** Goes on without components that could not be started again: the agent is not ready until a reload has started them. */
  #leaveOut(failures: ReadonlyMap<Spec, Error>): void {
    this.#specs = this.#specs.filter((spec) => !failures.has(spec));
    const releases = [...failures.values()].map((error) =>
      this.#options.statuses.holdAgent(`${error.message}; reload a configuration with which it can start`),
    );
    const before = this.#whenWhole;
    this.#whenWhole = () => {
      for (const release of [before, ...releases]) release();
    };
  }

  /** Until they have started, the agent is not ready: a listener that moves is closed in between. */
  #holdReadiness(specs: readonly Spec[]): () => void {
    const releases = specs.map(({ kind, id }) =>
      this.#options.statuses.holdReadiness(kind, id, "it has not started yet"),
    );
    return () => {
      for (const release of releases) release();
    };
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
      await this.#shutDown(nodes, deadline);
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

  #shutDown(nodes: Iterable<readonly [Spec, Node]>, deadline: AbortSignal): Promise<boolean> {
    return shutDownNodes([...nodes], deadline, this.#options.onError);
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
}
