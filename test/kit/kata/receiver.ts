// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { systemClock } from "../../../src/clock/clock.ts";
import type { NoRoom } from "../../../src/component/consumer.ts";
import type { SandboxSource } from "../../../src/kata/sandboxes.ts";
import { attributeOf, type Reading, type Resource } from "../../../src/metrics/model.ts";
import { factory } from "../../../src/receivers/kata/factory.ts";
import { KataReceiver } from "../../../src/receivers/kata/receiver.ts";
import type { Simulator, SimulatorOptions } from "../../../src/simulator/simulator.ts";
import { countingMeter } from "../component/counters.ts";
import { testSettings } from "../component/settings.ts";
import { startNodeSimulator } from "../node/simulator.ts";
import { poll } from "../poll.ts";

/** A simulated node and a receiver in this process that scrapes it. */
export interface Scene {
  readonly simulator: Simulator;
  /** The readings so far, by sandbox id. */
  readonly readings: Map<string, Reading[]>;
  readonly ended: string[];
  /** Returns how many scrapes were skipped for this reason. */
  skipped(reason: NoRoom): number;
  readonly source: SandboxSource;
  /** Waits for a reading of the sandbox that is `wanted`, and returns the first one. */
  reading(id: string, wanted: (reading: Reading) => boolean): Promise<Reading>;
}

/**
 * Runs `play` on a simulated node with a receiver that scrapes five times a second. Fails where the receiver hands on a
 * reading after the end of its resource, or changes the resource without an end.
 */
export async function withReceiver(
  play: (scene: Scene) => Promise<void>,
  options: {
    simulator?: Partial<SimulatorOptions>;
    config?: Record<string, unknown>;
    /** Says why the pipeline has no room; it always has room if this is left out. */
    noRoom?: () => NoRoom | undefined;
  } = {},
): Promise<void> {
  const { simulator, close } = await startNodeSimulator({
    sandboxes: 0,
    flavor: "go",
    cri: false,
    ...options.simulator,
  });
  const readings = new Map<string, Reading[]>();
  const ended: string[] = [];
  const endedResources = new Set<Resource>();
  const config = factory.schema.parse({
    roots: [simulator.goRoot, { path: simulator.rsRoot, runtime: "rs" }],
    collection_interval: "200ms",
    reconcile_interval: "1s",
    timeout: "1s",
    ...options.config,
  });
  const { meter, sum } = countingMeter();
  const settings = testSettings({ id: "kata", clock: systemClock, meter });
  const receiver = factory.create(config, settings, {
    noRoom: () => options.noRoom?.(),
    consume(reading) {
      const id = attributeOf(reading.resource, "kata.sandbox.id") ?? "";
      assert.ok(!endedResources.has(reading.resource), "a reading after the end");
      const last = readings.get(id)?.at(-1)?.resource;
      assert.ok(
        last === undefined || last === reading.resource || endedResources.has(last),
        "no end between",
      );
      readings.set(id, [...(readings.get(id) ?? []), reading]);
    },
    end({ resource }) {
      endedResources.add(resource);
      ended.push(attributeOf(resource, "kata.sandbox.id") ?? "");
    },
  });
  assert.ok(receiver instanceof KataReceiver);
  const scene: Scene = {
    simulator,
    readings,
    ended,
    skipped: (reason) => sum("kata_collector_scrapes_skipped", { reason }),
    source: receiver,
    reading: (id, wanted) => poll("a reading", () => readings.get(id)?.find(wanted)),
  };
  try {
    await receiver.start();
    await play(scene);
  } finally {
    await receiver.shutdown(AbortSignal.timeout(5_000));
    await close();
  }
}

/** Returns the first value of the reading's family of this name. */
export function value(reading: Reading, name: string): number | undefined {
  const index = reading.schema.families.findIndex((family) => family.name === name);
  return reading.values[reading.schema.offsets[index] ?? Number.NaN];
}

/** Returns the sandbox's state in the reading. */
export function state(reading: Reading): string | undefined {
  const family = reading.schema.families.find(({ name }) => name === "kata_collector_sandbox_state");
  return family?.points[0]?.attributes[0]?.value;
}

/** Returns whether the sandbox answered the scrape. */
export const isUp = (reading: Reading): boolean => value(reading, "kata_collector_sandbox_up") === 1;
