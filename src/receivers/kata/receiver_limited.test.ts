// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { answerPage, withFakeTime } from "../../../test/kit/kata/fake_time_receiver.ts";
import { value } from "../../../test/kit/kata/receiver.ts";
import type { Reading } from "../../metrics/model.ts";

const SHIM = "# TYPE kata_shim_fds gauge\nkata_shim_fds 7\n";
const AGENT = "# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count 8\n";
const SAMPLES = Array.from({ length: 30 }, (_, i) => `kata_guest_load{item="${i}"} ${i}\n`).join("");
const LABELS = `kata_guest_tasks{a="1",b="2",c="3",d="4"} 1\n`;

/** The limits that the reading names. */
function limitsOf({ schema }: Reading): readonly (string | undefined)[] {
  const family = schema.families.find(({ name }) => name === "kata_collector_sandbox_limited");
  return (family?.points ?? []).map(({ attributes }) => attributes[0]?.value);
}

test("a reading names the limits that its page exceeded, and its other numbers keep their columns", () =>
  withFakeTime(
    async ({ add, receiver, readings, clock }) => {
      const pages = [
        SHIM + AGENT,
        SHIM + AGENT + LABELS + SAMPLES,
        SHIM + AGENT + LABELS,
        SHIM + AGENT + SAMPLES,
        SHIM + AGENT,
        SHIM + AGENT + "x".repeat(2_000),
        SHIM + AGENT,
      ];
      let asked = 0;
      await add("a", (socket: Socket) => answerPage(pages[asked++] ?? SHIM)(socket));
      await receiver.start();
      const told: unknown[] = [];
      const status: unknown[] = [];
      for (let seen = 0; told.length < pages.length; ) {
        await clock.advance(100);
        await new Promise((resolve) => setImmediate(resolve));
        for (; seen < readings.length; seen++) {
          const one = readings[seen] ?? assert.fail();
          if (told.length >= asked) continue;
          const numbers = ["kata_shim_fds", "kata_agent_scrape_count"].map((name) => value(one, name));
          told.push([...limitsOf(one), ...numbers, value(one, "kata_collector_sandbox_state")]);
          status.push(receiver.sandboxes()[0]?.limits);
          assert.equal(one.values.length, one.schema.width);
        }
      }
      assert.deepEqual(told, [
        [7, 8, 1],
        ["labels", "samples", 7, 8, 1],
        ["labels", 7, 8, 1],
        ["samples", 7, 8, 1],
        [7, 8, 1],
        ["body_bytes", 7, 8, 1],
        [7, 8, 1],
      ]);
      assert.deepEqual(status[1], ["labels", "samples"]);
      assert.deepEqual(status.slice(-2), [["body_bytes"], []]);
    },
    { config: { guest_labels: ["*"], limits: { labels: 3, samples: 10, body_bytes: 1_500 } } },
  ));
