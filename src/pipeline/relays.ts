// SPDX-License-Identifier: Apache-2.0
import { pointCount } from "../metrics/model.ts";
import { fanOut } from "./fan_out.ts";
import type { PipelineCounters } from "./observe.ts";
import type { Spec } from "./plan.ts";
import { Relay } from "./relay.ts";

/**
 * The relays of a graph: one in front of each consumer and one behind each producer, so that each component can be
 * exchanged by itself.
 */
export class Relays {
  readonly #counters: PipelineCounters;
  readonly #inputs = new Map<string, Relay>();
  readonly #outputs = new Map<string, Relay>();

  constructor(counters: PipelineCounters) {
    this.#counters = counters;
  }

  /** The relay in front of the component with that key; made when first asked for. */
  input(key: string): Relay {
    return this.#relay(this.#inputs, key);
  }

  /** The relay behind the component with that key; made when first asked for. */
  output(key: string): Relay {
    return this.#relay(this.#outputs, key);
  }

  /** Connects each component's output to the inputs of its consumers, and forgets the relays of all other components. */
  connect(specs: readonly Spec[]): void {
    for (const { key, outputs } of specs)
      this.output(key).connect(fanOut(outputs.map((output) => this.input(output))));
    const keys = new Set(specs.map(({ key }) => key));
    for (const relays of [this.#inputs, this.#outputs])
      for (const key of relays.keys()) if (!keys.has(key)) relays.delete(key);
  }

  /** Disconnects the component with that key from its producers. */
  disconnect(key: string): void {
    this.#inputs.get(key)?.disconnect();
  }

  #relay(relays: Map<string, Relay>, key: string): Relay {
    let relay = relays.get(key);
    if (relay === undefined) {
      const attributes = { "otelcol.component": key };
      relay = new Relay(({ schema }) => this.#counters.exchanged.add(pointCount(schema), attributes));
      relays.set(key, relay);
    }
    return relay;
  }
}
