// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../src/clock/clock.ts";
import { FakeClock } from "../../src/clock/fake_clock.ts";
import type { Component } from "../../src/component/component.ts";
import type { Consumer } from "../../src/component/consumer.ts";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { registry } from "../../src/registry.ts";
import { testSettings } from "../kit/component/settings.ts";
import { smallestConfig } from "../kit/component/smallest_config.ts";
import { poll } from "../kit/poll.ts";

const folder = mkdtempSync(join(tmpdir(), "conformance-"));
after(() => rmSync(folder, { recursive: true }));

const interner = new Interner();

function reading(key: string): Reading {
  const points = [{ attributes: [{ key: "item", value: "a" }], bounds: [], boundTexts: [] }];
  const family = interner.family({ name: "kata_guest_load", kind: "gauge", unit: "", help: "Load.", points });
  const resource = { key, attributes: [{ key: "kata.sandbox.id", value: key }] };
  const values = Float64Array.of(1);
  return { resource, schema: interner.schema([family]), values, timeMs: Date.now(), startMs: 0 };
}

/** Makes a consumer that takes everything and records it. */
function sink(): Consumer & { readonly taken: Reading[]; readonly ended: string[] } {
  const taken: Reading[] = [];
  const ended: string[] = [];
  return {
    taken,
    ended,
    noRoom: () => undefined,
    consume: (one) => taken.push(one),
    end: ({ resource }) => ended.push(resource.key),
  };
}

const deadline = (): AbortSignal => AbortSignal.timeout(500);

interface Made {
  readonly component: Component & Partial<Consumer>;
  readonly next: ReturnType<typeof sink>;
}

for (const section of ["receivers", "processors", "exporters", "extensions"] as const) {
  for (const [type, entry] of Object.entries(registry[section])) {
    const id = `${section}/${type}`;
    const make = async (): Promise<Made> => {
      const factory = await entry.load();
      const config = factory.schema.parse(await smallestConfig(id, folder));
      const next = sink();
      return {
        component: factory.create(config, testSettings({ id: type, clock: systemClock, interner }), next),
        next,
      };
    };

    test(`${id}: shutdown is safe without start, and twice`, async () => {
      const { component } = await make();
      await component.shutdown(deadline());
      const { component: other } = await make();
      await other.start();
      await other.shutdown(deadline());
      await other.shutdown(deadline());
    });

    test(`${id}: shutdown ends at its deadline, whatever hangs`, async () => {
      const { component } = await make();
      await component.start();
      component.consume?.(reading("s1"));
      const aborted = AbortSignal.abort();
      await component.shutdown(aborted);
    });

    test(`${id}: refuses a key that it does not know`, async () => {
      const factory = await entry.load();
      const config = { ...(await smallestConfig(id, folder)), no_such_key: 1 };
      assert.equal(factory.schema.safeParse(config).success, false);
    });

    test(`${id}: releases its ports, locks and files, so that a component with the same config can start`, async () => {
      const factory = await entry.load();
      const config = factory.schema.parse(await smallestConfig(id, folder));
      // A reload starts it in the same agent, a restart in another one.
      const host = createHost();
      for (const settings of [{ host }, { host }, {}]) {
        const next = sink();
        const component: Component = factory.create(
          config,
          testSettings({ id: type, clock: systemClock, interner, ...settings }),
          next,
        );
        await component.start();
        await component.shutdown(deadline());
      }
    });

    test(`${id}: leaves no timer behind`, async () => {
      const factory = await entry.load();
      const config = factory.schema.parse(await smallestConfig(id, folder));
      const clock = new FakeClock();
      const component: Made["component"] = factory.create(
        config,
        testSettings({ id: type, clock, interner }),
        sink(),
      );
      await component.start();
      component.consume?.(reading("s1"));
      await clock.advance(1_000);
      await component.shutdown(AbortSignal.abort());
      // An attempt to connect that was under way notices the shutdown a little later.
      await poll("all timers to be cancelled", () => clock.timerCount === 0 || undefined, 2_000);
    });

    if (section === "receivers" || section === "extensions") continue;
    test(`${id}: changes no reading that it was given`, async () => {
      const { component, next } = await make();
      await component.start();
      const given = reading("s1");
      Object.freeze(given);
      component.consume?.(given);
      component.end?.({ resource: given.resource, timeMs: given.timeMs });
      await component.shutdown(deadline());
      assert.deepEqual([...given.values], [1]);
      if (section === "processors") {
        assert.equal(next.taken.length, 1, "every reading from before the shutdown is handed on");
        assert.deepEqual(next.ended, ["s1"]);
      }
    });
  }
}
