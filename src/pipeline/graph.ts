// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../clock/clock.ts";
import { messageOf } from "../text/error_text.ts";
import { planChange } from "./graph_change.ts";
import { makeNode, type Node, type NodeOptions, shutDownNodes } from "./node.ts";
import { Orphans } from "./open_resources.ts";
import { type Blueprint, membersOf, nameOf, planGraph, type Spec } from "./plan.ts";
import { Relays } from "./relays.ts";

export interface GraphOptions extends NodeOptions {
  readonly clock: Clock;
  /** Called for each component that does not shut down as it should. */
  onError(error: Error): void;
}

/** The contents of a graph: its components in the order of their start, and the keys of each pipeline's components. */
interface Arrangement {
  readonly specs: readonly Spec[];
  readonly pipelines: ReadonlyMap<string, readonly string[]>;
}

/**
 * The components of one agent. A change from one blueprint to another keeps each component that is the same in both, with
 * everything that it holds. The first start is a change from nothing.
 */
export class Graph {
  readonly #options: GraphOptions;
  #arrangement: Arrangement = { specs: [], pipelines: new Map() };
  /** The components that run, by key. */
  readonly #nodes = new Map<string, Node>();
  readonly #relays: Relays;
  readonly #orphans: Orphans;
  /** Ends the graph's own holds on readiness. Called after each change that succeeds. */
  #whenWhole: () => void;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#relays = new Relays(options.counters);
    this.#orphans = new Orphans(options.clock);
    this.#whenWhole = options.statuses.holdAgent("the agent is starting");
  }

  /** The keys of the components, in the order of their start. */
  get keys(): readonly string[] {
    return this.#arrangement.specs.map(({ key }) => key);
  }

  /**
   * Changes to the blueprint:
   *
   * 1. New components start while all old ones run, so that a failure to start interrupts no old one.
   * 2. Producers are connected to the new consumers. Until a new consumer is installed, `noRoom` says "exchange".
   * 3. Old components that claim what a new one needs stop, and the new ones start in their places.
   * 4. The other new components are installed, and then the other old ones stop.
   *
   * If a component cannot start, the old arrangement is put back and the promise rejects with an error that names the
   * component. An old component that cannot start again either is left out, and the agent is not ready.
   */
  async change(blueprint: Blueprint, deadline: AbortSignal): Promise<void> {
    const before = this.#arrangement;
    const after = { specs: planGraph(blueprint), pipelines: membersOf(blueprint) };
    const { startEarly, stopEarly, startLate, stopLate } = planChange(before.specs, after.specs);
    const restoreStatuses = this.#options.statuses.save();
    const releaseReadiness = this.#holdReadiness([...startEarly, ...startLate]);
    const fresh = this.#makeAll(startEarly);
    const replaced = this.#running(stopEarly);
    try {
      await this.#start(fresh);
      this.#arrange(after);
      this.#remove(stopEarly);
      await this.#shutDown(replaced, deadline);
      await this.#startInPlace(startLate, deadline);
    } catch (error) {
      await this.#shutDown(fresh, deadline);
      this.#arrange(before);
      restoreStatuses();
      this.#install(this.#running(before.specs));
      const failures = await this.#startAgain(stopEarly, deadline);
      this.#endOrphans(replaced);
      this.#leaveOut(failures);
      releaseReadiness();
      throw withFailures(error, failures);
    }
    // The new components take over before the old ones drain: a peer that hangs must not stop the scraping.
    const old = this.#running(stopLate);
    this.#install(fresh);
    releaseReadiness();
    this.#whenWhole();
    const freshKeys = new Set(startEarly.map(({ key }) => key));
    this.#remove(stopLate.filter(({ key }) => !freshKeys.has(key)));
    await this.#shutDown(old, deadline);
    this.#endOrphans(old);
    this.#endOrphans(replaced);
  }

  /** Lets every component read its files again. Resolves to the failures, which the statuses report as well. */
  async refresh(): Promise<Error[]> {
    const failures: Error[] = [];
    for (const spec of this.#arrangement.specs) {
      await this.#nodes
        .get(spec.key)
        ?.component.refresh?.()
        .catch((error: unknown) => failures.push(new Error(`${nameOf(spec)}: ${messageOf(error)}`)));
    }
    return failures;
  }

  /**
   * Stops all components, receivers first, so that each can still hand on what it holds. Resolves to false if one of them
   * failed to shut down.
   */
  async shutdown(deadline: AbortSignal): Promise<boolean> {
    const { statuses } = this.#options;
    const nodes = this.#running(this.#arrangement.specs);
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

  /** Connects the components as the arrangement says. A component that is not installed yet has no room. */
  #arrange(arrangement: Arrangement): void {
    this.#arrangement = arrangement;
    const { specs, pipelines } = arrangement;
    const extensions = specs.filter(({ kind }) => kind === "extension").map(({ id }) => id);
    this.#options.statuses.arrange(pipelines, extensions);
    this.#relays.connect(specs);
  }

  #running(specs: readonly Spec[]): (readonly [Spec, Node])[] {
    return specs.flatMap((spec) => {
      const node = this.#nodes.get(spec.key);
      return node === undefined ? [] : [[spec, node] as const];
    });
  }

  #makeAll(specs: readonly Spec[]): ReadonlyMap<Spec, Node> {
    return new Map(specs.map((spec) => [spec, makeNode(spec, this.#relays.output(spec.key), this.#options)]));
  }

  /**
   * Starts the components in order, and rejects at the first that cannot start. All of them must have been made before:
   * components that share a listener have to know of each other when it opens.
   */
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
      // The component may have reported another state while it started, which must stay.
      const status = statuses.components().find((one) => one.kind === kind && one.id === id);
      if (status?.state === "starting") statuses.report(kind, id, "ok");
    }
  }

  /** Makes, starts and installs the components. If one cannot start, none of them is left running. */
  async #startInPlace(specs: readonly Spec[], deadline: AbortSignal): Promise<void> {
    const nodes = this.#makeAll(specs);
    try {
      await this.#start(nodes);
    } catch (error) {
      await this.#shutDown(nodes, deadline);
      throw error;
    }
    this.#install(nodes);
  }

  /** Starts those of the components that a failed change has stopped. Resolves to those that cannot start again. */
  async #startAgain(specs: readonly Spec[], deadline: AbortSignal): Promise<ReadonlyMap<Spec, Error>> {
    const failures = new Map<Spec, Error>();
    const stopped = specs.filter(({ key }) => !this.#nodes.has(key));
    for (const [spec, node] of this.#makeAll(stopped)) {
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

  /** Goes on without the components that could not start again. The agent is not ready until a reload succeeds. */
  #leaveOut(failures: ReadonlyMap<Spec, Error>): void {
    const { specs, pipelines } = this.#arrangement;
    this.#arrangement = { specs: specs.filter((spec) => !failures.has(spec)), pipelines };
    const releases = [...failures.values()].map((error) =>
      this.#options.statuses.holdAgent(`${error.message}; reload a configuration with which it can start`),
    );
    const before = this.#whenWhole;
    this.#whenWhole = () => {
      for (const release of [before, ...releases]) release();
    };
  }

  /**
   * Keeps the agent from being ready until the returned function is called, because a listener that moves from an old
   * component to a new one is closed during the change.
   */
  #holdReadiness(specs: readonly Spec[]): () => void {
    const releases = specs.map(({ kind, id }) =>
      this.#options.statuses.holdReadiness(kind, id, "it has not started yet"),
    );
    return () => {
      for (const release of releases) release();
    };
  }

  /** Lets producers hand readings to these components from now on, instead of to old ones with the same keys. */
  #install(nodes: Iterable<readonly [Spec, Node]>): void {
    for (const [{ key }, node] of nodes) {
      this.#nodes.set(key, node);
      if (node.input !== undefined) this.#relays.input(key).connect(node.input);
    }
  }

  /**
   * Disconnects the components. Until others are installed, `noRoom` gives producers the reason "exchange", and ends
   * wait in the relays.
   */
  #remove(specs: readonly Spec[]): void {
    for (const { key } of specs) {
      this.#relays.disconnect(key);
      this.#nodes.delete(key);
    }
  }

  /** Ends the resources that stopped receivers left open. */
  #endOrphans(stopped: readonly (readonly [Spec, Node])[]): void {
    for (const [{ key }, { open }] of stopped) {
      const successor = this.#nodes.get(key)?.open;
      if (open !== undefined && open !== successor) this.#orphans.endAll(open, successor);
    }
  }

  #shutDown(nodes: Iterable<readonly [Spec, Node]>, deadline: AbortSignal): Promise<boolean> {
    return shutDownNodes([...nodes], deadline, this.#options.onError);
  }
}

/** The error of a failed change, joined with the errors of old components that could not start again. */
function withFailures(error: unknown, failures: ReadonlyMap<Spec, Error>): unknown {
  if (failures.size === 0) return error;
  const errors = [error, ...failures.values()];
  return new AggregateError(errors, errors.map(messageOf).join("; and then: "));
}
