// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { listOf } from "../../../test/kit/kata/listed_pod.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { CriError, type CriFailure } from "../../cri/client.ts";
import { Runtimes } from "./runtimes.ts";

const ANSWERS = "Container runtime answers.";
const ANSWERS_AGAIN = "Container runtime answers again.";
const OUT =
  "Container runtime does not answer; until it does, new sandboxes have no pod names and nothing is compared with its list.";
const ANOTHER = "Another container runtime is taken for the node's.";
const REPLACED = "Container runtime's socket was replaced; only a restart of the agent finds it.";

/** Runtimes at these endpoints, on a node with these sandboxes. */
function bench(endpoints: readonly string[], ...sandboxes: readonly string[]) {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const runtimes = new Runtimes({ endpoints, clock, logger });
  const node = new Set(sandboxes);
  return {
    clock,
    runtimes,
    node,
    messages: () => lines.map(({ msg }) => msg),
    /** The lines of the log, as message and endpoint. */
    log: () => lines.map(({ msg, endpoint }) => [msg, endpoint]),
    lines,
    ask: (endpoint: string) => runtimes.asked(endpoint, new Set(node)),
    /** Passes the endpoint's list with these pods. The call began just now unless `ask` was called. */
    answer(endpoint: string, ...ids: readonly string[]) {
      const list = listOf(...ids);
      runtimes.answered(
        { endpoint, name: "containerd", version: "2" },
        { list, sandboxes: new Set(node), lacksSandboxes: ids.includes("missing") },
      );
    },
    fail: (endpoint: string, failure: CriFailure = "unavailable", message = `${endpoint} is down`) =>
      runtimes.failed(endpoint, new CriError(message, failure)),
  };
}

test("a sandbox is listed, unlisted, newer than the last list, or unknown", () => {
  const { runtimes, node, ask, answer, fail } = bench(["a"], "s1", "s2");
  assert.equal(runtimes.lists("s1"), "unknown");
  ask("a");
  node.add("s3");
  answer("a", "s1");
  assert.equal(runtimes.lists("s1"), "listed");
  assert.equal(runtimes.lists("s2"), "unlisted");
  assert.equal(runtimes.lists("s3"), "unasked", "it came after the list was asked for");
  ask("a");
  answer("a", "s1");
  assert.equal(runtimes.lists("s3"), "unlisted");
  fail("a");
  assert.equal(runtimes.lists("s1"), "unknown");
  assert.equal(runtimes.lists("s2"), "unknown");
  assert.equal(runtimes.find("s1")?.name, "s1-pod", "a name stays a name");
});

test("the lists of two runtimes count together", () => {
  const { runtimes, ask, answer, fail } = bench(["a", "b"], "s1", "s2");
  for (const endpoint of ["a", "b"]) ask(endpoint);
  answer("a", "other");
  assert.equal(runtimes.lists("s1"), "unknown", "the other has not been heard yet");
  answer("b", "s1");
  assert.equal(runtimes.lists("s1"), "listed");
  assert.equal(runtimes.lists("s2"), "unlisted");
  fail("b");
  assert.equal(runtimes.lists("s1"), "unknown");
  assert.equal(runtimes.lists("s2"), "unknown", "the one that is down may list it");
});

test("the first runtime that answers is the node's until another has the node's pods", () => {
  const { ask, answer, log, fail, runtimes } = bench(["a", "b", "c"], "s1");
  for (const endpoint of ["a", "b", "c"]) ask(endpoint);
  answer("a");
  assert.equal(fail("c"), false, "nobody waits for an endpoint at which nothing ever was");
  answer("b", "s1");
  answer("a");
  assert.deepEqual(log(), [
    [ANSWERS, "a"],
    [ANOTHER, "b"],
  ]);
  assert.equal(runtimes.isComplete, true);
  assert.equal(fail("a"), false);
  assert.equal(runtimes.fault, undefined);
});

test("a runtime with Kata pods without a sandbox can be the node's too", () => {
  const { answer, log } = bench(["a", "b"]);
  answer("a");
  answer("b", "missing");
  assert.deepEqual(log().at(-1), [ANOTHER, "b"]);
});

test("a runtime that has listed sandboxes is needed while it is down; its outage is logged once, with its length", async () => {
  const { clock, answer, fail, log, lines, runtimes } = bench(["a", "b"], "s1");
  answer("b", "s1");
  answer("a");
  assert.equal(fail("b"), true);
  await clock.advance(90_000);
  fail("b", "timeout", "b hangs");
  answer("a");
  assert.deepEqual(runtimes.fault, { error: "b hangs", needsRestart: false });
  answer("b", "s1");
  assert.deepEqual(log(), [
    [ANSWERS, "b"],
    [OUT, undefined],
    [ANSWERS_AGAIN, "b"],
  ]);
  assert.equal(lines.at(-1)?.["seconds"], 90);
  assert.equal(runtimes.fault, undefined);
});

test("a runtime whose pods are all gone is needed until another one has some", () => {
  const { node, answer, fail, messages, runtimes } = bench(["a", "b"], "s1");
  answer("a", "s1");
  node.delete("s1");
  answer("a");
  fail("a");
  answer("b");
  assert.notEqual(runtimes.fault, undefined);
  node.add("s2");
  answer("b", "s2");
  assert.deepEqual(messages(), [ANSWERS, OUT, ANOTHER]);
  assert.equal(runtimes.fault, undefined);
});

test("a runtime that never had any is replaced by the next one that answers", () => {
  const { answer, fail, log } = bench(["a", "b"]);
  answer("a");
  fail("a");
  answer("b");
  assert.deepEqual(log(), [
    [ANSWERS, "a"],
    [OUT, undefined],
    [ANOTHER, "b"],
  ]);
});

test("of two runtimes that both have pods of the node, the first stays the node's, and both are needed", () => {
  const { answer, fail, messages, runtimes } = bench(["a", "b"], "s1", "s2");
  for (let round = 0; round < 3; round++) {
    answer("a", "s1");
    answer("b", "s2");
  }
  assert.equal(fail("b"), true);
  assert.equal(runtimes.isComplete, false);
  assert.deepEqual(messages(), [ANSWERS, OUT]);
});

test("if nothing answers, the error names all endpoints and what to do, when all have been tried", () => {
  const { runtimes, fail, answer, messages, lines, clock } = bench(["a", "b"]);
  fail("a");
  assert.equal(runtimes.fault, undefined);
  fail("b");
  const error = "cannot find a container runtime; name its endpoint: a is down; b is down";
  assert.deepEqual(runtimes.fault, { error, needsRestart: false });
  assert.equal(lines[0]?.["error"], error);
  void clock.advance(5_000);
  answer("b");
  assert.deepEqual(messages(), [OUT, ANSWERS]);
});

test("a socket that was replaced on the node needs a restart, which is logged also during an outage", () => {
  const { runtimes, answer, fail, messages } = bench(["a"]);
  answer("a");
  fail("a", "unavailable");
  assert.equal(runtimes.fault?.needsRestart, false);
  for (let round = 0; round < 3; round++) fail("a", "replaced", "replaced");
  assert.deepEqual(runtimes.fault, { error: "replaced", needsRestart: true });
  assert.deepEqual(messages(), [ANSWERS, OUT, REPLACED]);
});
