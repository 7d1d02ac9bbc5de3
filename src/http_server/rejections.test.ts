// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { countingMeter } from "../../test/kit/component/counters.ts";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { Rejections } from "./rejections.ts";

test("rejections are counted by reason, and one log line a minute names the client with most of them", async () => {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const { meter, sum } = countingMeter();
  const rejections = new Rejections({ listener: "here", logger, clock, meter });
  rejections.connection("evicted", "10.0.0.3");
  for (let i = 0; i < 10; i++) rejections.connection("evicted", "10.0.0.1");
  for (let i = 0; i < 3; i++) rejections.request("rate", "10.0.0.2");
  await clock.advance(59_999);
  rejections.request("rate", "10.0.0.2");
  assert.deepEqual(
    lines.map(({ address }) => address),
    ["10.0.0.3"],
  );
  await clock.advance(1);
  rejections.request("rate", "10.0.0.2");
  assert.deepEqual(
    lines.map(({ address, count, of, reason }) => [address, count, of, reason]),
    [
      ["10.0.0.3", 1, 1, "evicted"],
      ["10.0.0.1", 10, 15, "rate"],
    ],
  );
  assert.equal(
    sum("kata_collector_listener_closed_connections", { listener: "here", reason: "evicted" }),
    11,
  );
  assert.equal(sum("kata_collector_listener_refused_requests", { listener: "here", reason: "rate" }), 5);
});

test("rejections that occur at every listener are counted and not logged", () => {
  const { logger, lines } = recordedLogger();
  const { meter, sum } = countingMeter();
  const rejections = new Rejections({ listener: "here", logger, clock: new FakeClock(), meter });
  rejections.connection("idle_timeout", "10.0.0.1");
  for (const reason of ["rule", "unknown_path", "method"] as const) rejections.request(reason, "10.0.0.1");
  assert.equal(sum("kata_collector_listener_refused_requests"), 3);
  assert.deepEqual(lines, []);
});
