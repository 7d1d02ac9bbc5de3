// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createNoopMeter, type Meter } from "@opentelemetry/api";
import { readableMeter } from "../../../test/kit/component/gauges.ts";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { listedPod, listOf } from "../../../test/kit/kata/listed_pod.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { ListedPod } from "../../cri/pod.ts";
import { MissingPods } from "./missing_pods.ts";

const MISSING =
  "Ready Kata pods have no sandbox in the directories that are looked at; nothing is known of them.";
const WELL = "Every ready Kata pod has a sandbox again.";

function bench(roots: readonly string[] = ["/run/vc/sbs", "/run/kata"], meter: Meter = createNoopMeter()) {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const runtimes = { isComplete: true };
  const missing = new MissingPods({
    clock,
    logger,
    meter,
    attributes: {},
    isKata: (handler) => handler === "kata",
    roots: () => roots,
    isComplete: () => runtimes.isComplete,
  });
  return {
    clock,
    missing,
    runtimes,
    lines,
    /** Passes a list, on a node with these sandboxes. */
    compare(pods: readonly (ListedPod | string)[], sandboxes: readonly string[] = [], endpoint = "a") {
      missing.compare(endpoint, listOf(...pods), new Set(sandboxes));
      missing.count();
    },
    said: () => lines.map(({ msg, count, seconds }) => [msg, count ?? seconds]),
  };
}

/** The log about a pod that has no sandbox in two lists five seconds apart. */
async function check(pod: ListedPod, counts: boolean, sandboxes: readonly string[] = []): Promise<void> {
  const { clock, compare, said } = bench();
  compare([pod], sandboxes);
  await clock.advance(5_000);
  compare([pod], sandboxes);
  assert.deepEqual(said(), counts ? [[MISSING, 1]] : []);
}

test("ready pods of Kata's handlers count, and no others", async () => {
  await check(listedPod("s1"), true);
  await check(listedPod("s1"), false, ["s1"]);
  await check(listedPod("s1", { isReady: false }), false);
  await check(listedPod("s1", { runtimeHandler: "runc" }), false);
  const now = new FakeClock().nowMs();
  await check(listedPod("s1", { createdAtMs: now - 3_600_000 }), true);
  await check(listedPod("s1", { createdAtMs: now - 1_000 }), false);
  await check(listedPod("s1", { createdAtMs: now + 3_600_000 }), false);
});

test("a pod that just starts counts after a minute, by a list that is asked for at that time", async () => {
  const { clock, missing, compare, said } = bench();
  const young = listedPod("s1", { createdAtMs: clock.nowMs() + 3_600_000 });
  compare([young]);
  assert.equal(missing.nextMs, 60_000);
  await clock.advance(59_999);
  compare([young]);
  assert.deepEqual(said(), []);
  await clock.advance(1);
  compare([young]);
  assert.deepEqual(said(), [[MISSING, 1]]);
});

test("a pod that is being removed does not count: two lists must have it", async () => {
  const { clock, compare, said } = bench();
  for (let round = 0; round < 3; round++) {
    compare(["s1"]);
    compare([]);
    await clock.advance(60_000);
  }
  assert.deepEqual(said(), []);
});

test("changes of the missing pods are logged with names, ids and roots, and the end with how long it lasted", async () => {
  const { clock, compare, lines, said } = bench();
  compare(["s1", "s2"]);
  await clock.advance(5_000);
  for (let round = 0; round < 3; round++) compare(["s1", "s2"]);
  assert.deepEqual(lines[0]?.["roots"], ["/run/vc/sbs", "/run/kata"]);
  assert.deepEqual(lines[0]?.["pods"], [
    { sandbox: "s1", pod: "shop/s1-pod" },
    { sandbox: "s2", pod: "shop/s2-pod" },
  ]);
  await clock.advance(40_000);
  compare(["s1", "s2"], ["s1"]);
  await clock.advance(5_000);
  compare(["s1", "s2"], ["s1", "s2"]);
  assert.deepEqual(said(), [
    [MISSING, 2],
    [MISSING, 1],
    [WELL, 45],
  ]);
});

test("after two minutes there is an error that names pods, roots and what to do", async () => {
  const { clock, missing, compare } = bench();
  const pods = Array.from({ length: 12 }, (_, index) => `s${index}`);
  compare(pods);
  await clock.advance(5_000);
  compare(pods);
  assert.equal(missing.error, undefined);
  assert.equal(missing.nextMs, 120_000);
  await clock.advance(115_000);
  const error = missing.error ?? "";
  assert.match(
    error,
    /^cannot find sandboxes of ready pods under "\/run\/vc\/sbs", "\/run\/kata": shop\/s0-pod/,
  );
  assert.match(error, /shop\/s9-pod \(s9\) and 2 more; name the node's directories .*kata_handlers$/);
  compare([]);
  assert.equal(missing.error, undefined);
  assert.equal(missing.nextMs, undefined);
});

test("of two runtimes each list counts for its own pods, and needs a second one of the same runtime", async () => {
  const { clock, compare, said } = bench();
  const both = (...ofB: readonly string[]) => {
    compare(["s1"], [], "a");
    compare(ofB, [], "b");
  };
  both("s2", "s3");
  await clock.advance(5_000);
  both("s2");
  both("s2");
  assert.deepEqual(said(), [
    [MISSING, 1],
    [MISSING, 2],
  ]);
});

test("a pod that one runtime lists at two endpoints counts once", async () => {
  const { clock, compare, said, missing } = bench();
  const both = (): void => {
    for (const endpoint of ["a", "b"]) compare(["s1"], [], endpoint);
  };
  both();
  await clock.advance(5_000);
  both();
  assert.deepEqual(said(), [[MISSING, 1]]);
  await clock.advance(120_000);
  assert.equal(missing.error?.split("shop/s1-pod").length, 2);
});

test("the metric has their number, and is NaN while that is not known", async (context: TestContext) => {
  const { meter, read } = readableMeter(context);
  const { clock, missing, compare, runtimes } = bench(["/run/kata"], meter);
  const check = async (want: number): Promise<void> =>
    assert.deepEqual(await read("kata_collector_pods_without_sandbox"), [want]);
  missing.start();
  await check(Number.NaN);
  compare(["s1", "s2"], ["s2"]);
  await check(0);
  await clock.advance(5_000);
  compare(["s1", "s2"], ["s2"]);
  await check(1);
  runtimes.isComplete = false;
  await check(Number.NaN);
  runtimes.isComplete = true;
  missing.close();
  await check(Number.NaN);
});

test("without a receiver's roots no pod is missing", async () => {
  const { clock, missing, compare, said } = bench([]);
  compare(["s1"]);
  await clock.advance(600_000);
  compare(["s1"]);
  assert.deepEqual(said(), []);
  assert.equal(missing.nextMs, undefined);
});
