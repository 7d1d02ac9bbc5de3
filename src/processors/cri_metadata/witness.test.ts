// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { listedPod, listOf } from "../../../test/kit/kata/listed_pod.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { CriError } from "../../cri/client.ts";
import type { ListedPod } from "../../cri/pod.ts";
import { Runtimes } from "./runtimes.ts";
import { ListWitness } from "./witness.ts";

const KNOWN = "Pod of the sandbox is known.";
const UNLISTED =
  "Sandboxes are in no container runtime's list: left behind by their pods, or not made through the CRI.";

/** A witness of one runtime, on a node with these sandboxes. */
function bench(...sandboxes: readonly string[]) {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const runtimes = new Runtimes({ endpoints: ["a"], clock, logger });
  const node = new Set(sandboxes);
  let unasked = 0;
  const witness = new ListWitness({
    runtimes,
    clock,
    logger,
    missingPods: () => undefined,
    onUnasked: () => unasked++,
  });
  const ask = () => runtimes.asked("a", new Set(node));
  return {
    clock,
    node,
    witness,
    ask,
    unasked: () => unasked,
    answer(...pods: readonly (ListedPod | string)[]) {
      const answer = { list: listOf(...pods), sandboxes: new Set(node), lacksSandboxes: false };
      runtimes.answered({ endpoint: "a", name: "containerd", version: "2" }, answer);
      witness.compare(answer.sandboxes);
    },
    fail: () => runtimes.failed("a", new CriError("down", "unavailable")),
    said: (message: string) => lines.filter(({ msg }) => msg === message),
  };
}

const POD = { uid: "s1-uid", name: "s1-pod", namespace: "shop", runtimeHandler: "kata" };

test("before the runtime has answered, the witness knows nothing", () => {
  const { witness } = bench("s1");
  assert.equal(witness.podOf("s1"), undefined);
  assert.equal(witness.lists("s1"), undefined);
});

test("a pod that is no longer listed keeps its name until its sandbox ends, and is unlisted", () => {
  const { witness, node, ask, answer, said } = bench("s1");
  ask();
  answer("s1");
  assert.deepEqual(witness.podOf("s1"), POD);
  assert.equal(witness.lists("s1"), true);
  for (let round = 0; round < 3; round++) {
    ask();
    answer();
  }
  assert.deepEqual(witness.podOf("s1"), POD);
  assert.equal(witness.lists("s1"), false);
  assert.deepEqual(said(KNOWN), [{ level: 30, sandbox: "s1", pod: "shop/s1-pod", msg: KNOWN }]);
  node.clear();
  ask();
  answer();
  assert.equal(witness.podOf("s1"), undefined);
});

test("a pod that is not ready counts as listed, since its runtime still knows it", () => {
  const { witness, ask, answer } = bench("s1");
  ask();
  answer(listedPod("s1", { isReady: false }));
  assert.equal(witness.lists("s1"), true);
  assert.deepEqual(witness.podOf("s1"), POD);
});

test("while the runtime does not answer, names stay and no sandbox is unlisted", () => {
  const { witness, ask, answer, fail } = bench("s1", "s2");
  ask();
  answer("s1", "later");
  fail();
  assert.deepEqual(witness.podOf("s1"), POD);
  assert.equal(witness.podOf("later")?.name, "later-pod", "a sandbox that is found only now");
  assert.equal(witness.lists("s1"), undefined);
  assert.equal(witness.lists("s2"), undefined);
});

test("a sandbox that is newer than the last list is not unlisted, and a list is asked for", () => {
  const { witness, node, ask, answer, unasked } = bench();
  ask();
  answer();
  node.add("s1");
  assert.equal(witness.lists("s1"), undefined);
  assert.equal(unasked(), 1);
  ask();
  answer();
  assert.equal(witness.lists("s1"), false);
  assert.equal(unasked(), 1);
});

test("a pod without metadata is listed and has no name", () => {
  const { witness, ask, answer, said } = bench("s1");
  ask();
  answer(listedPod("s1", { name: "", uid: "", namespace: "" }));
  assert.equal(witness.lists("s1"), true);
  assert.equal(witness.podOf("s1"), undefined);
  assert.deepEqual(said(KNOWN), []);
});

test("sandboxes in no list are logged once: after a minute those that were listed, later those that may be booting", async () => {
  const { clock, ask, answer, said } = bench("leaked", "of-ctr", "s1");
  const round = async (...pods: readonly string[]) => {
    ask();
    answer(...pods);
    await clock.advance(30_000);
  };
  const told = () => said(UNLISTED).map(({ sandboxes }) => sandboxes);
  await round("leaked", "s1");
  for (let index = 0; index < 9; index++) await round("s1");
  assert.deepEqual(told(), [[{ sandbox: "leaked", pod: "shop/leaked-pod" }]]);
  for (let index = 0; index < 4; index++) await round("s1");
  assert.deepEqual(told().slice(1), [[{ sandbox: "of-ctr" }]]);
});

test("at most sixty pods a minute are logged when they become known, and one line has the number of the others", async () => {
  const ids = Array.from({ length: 1_000 }, (_, index) => `s${index}`);
  const { ask, answer, said, clock } = bench(...ids);
  const others = () => said("Pods of further sandboxes became known.").map(({ count }) => count);
  ask();
  answer(...ids);
  assert.deepEqual([said(KNOWN).length, others()], [60, []]);
  await clock.advance(60_000);
  answer(...ids);
  assert.deepEqual([said(KNOWN).length, others()], [60, [940]]);
  await clock.advance(60_000);
  answer(...ids);
  assert.deepEqual([said(KNOWN).length, others()], [60, [940]]);
});
