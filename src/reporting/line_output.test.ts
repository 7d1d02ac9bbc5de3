// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { LineOutput, type Losses, type WriteBytes } from "./line_output.ts";

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: test`), { code });
}

/** An output to a reader that does what `reader.attempt` says; `reader.text` is what it got. */
function scene() {
  const clock = new FakeClock(1_000);
  const passing: Losses[] = [];
  const heard: string[] = [];
  const reader = {
    text: "",
    /** Bytes that it takes before it fails with `code`. */
    room: Number.POSITIVE_INFINITY,
    code: "EAGAIN",
  };
  const take: WriteBytes = (bytes) => {
    const count = Math.min(reader.room, bytes.length);
    if (count === 0) throw failure(reader.code);
    reader.room -= count;
    reader.text += bytes.toString("utf8", 0, count);
    return count;
  };
  const output = new LineOutput(take, clock);
  output.listen({
    onLoss: (reason) => heard.push(reason),
    onPassing: (losses) => passing.push(losses),
  });
  return { clock, output, reader, passing, heard };
}

test("a line is written at once if the reader keeps up", () => {
  const { output, reader } = scene();
  output.write("one\n");
  output.write("two\n");
  assert.equal(reader.text, "one\ntwo\n");
});

test("lines wait for a reader that is behind, and none is cut or swapped", async () => {
  const { output, reader, clock } = scene();
  reader.room = 5;
  for (const line of ["one\n", "two\n", "three\n"]) output.write(line);
  assert.equal(reader.text, "one\nt");
  reader.room = 3;
  await clock.advance(50);
  assert.equal(reader.text, "one\ntwo\n");
  reader.room = 100;
  await clock.advance(50);
  assert.equal(reader.text, "one\ntwo\nthree\n");
  assert.equal(clock.timerCount, 0);
  assert.equal(output.lost.size, 0);
});

test("lines over the limit are dropped, counted, and reported when lines can be written again", async () => {
  const { output, reader, clock, passing, heard } = scene();
  reader.room = 0;
  const line = `${"x".repeat(1023)}\n`;
  for (let count = 0; count < 1024 + 7; count++) output.write(line);
  assert.deepEqual([...output.lost], [["backlog", 7]]);
  assert.deepEqual(heard, ["backlog"], "said once");
  reader.room = Number.POSITIVE_INFINITY;
  await clock.advance(50);
  assert.equal(reader.text, line.repeat(1024));
  assert.deepEqual(passing, [{ lines: { backlog: 7 }, sinceMs: 1_000 }]);
  output.write("more\n");
  assert.equal(passing.length, 1);
});

test("if a reader stays behind, losses are reported from time to time", async () => {
  const { output, reader, clock, passing } = scene();
  const line = `${"x".repeat(1023)}\n`;
  reader.room = 0;
  for (let second = 0; second < 25; second++) {
    for (let count = 0; count < 2_000; count++) output.write(line);
    reader.room = line.length;
    await clock.advance(1_000);
  }
  assert.equal(passing.length, 3);
  const told = passing.reduce((sum, { lines }) => sum + (lines.backlog ?? 0), 0);
  assert.ok(told > 20_000 && told < (output.lost.get("backlog") ?? 0));
});

test("a single line may be longer than the limit", () => {
  const { output, reader } = scene();
  const line = `${"x".repeat(3 * 1024 * 1024)}\n`;
  output.write(line);
  assert.equal(reader.text.length, line.length);
});

for (const [code, reason] of [
  ["EPIPE", "no_reader"],
  ["ECONNRESET", "no_reader"],
  ["ENOSPC", "no_space"],
  ["EDQUOT", "no_space"],
  ["EIO", "error"],
] as const) {
  test(`${code} costs the lines, counts them as ${reason}, and the next line is tried again`, () => {
    const { output, reader, clock, passing } = scene();
    Object.assign(reader, { room: 0, code });
    output.write("one\n");
    output.write("two\n");
    assert.deepEqual([...output.lost], [[reason, 2]]);
    assert.equal(clock.timerCount, 0);
    reader.room = Number.POSITIVE_INFINITY;
    output.write("three\n");
    assert.equal(reader.text, "three\n");
    assert.deepEqual(passing, [{ lines: { [reason]: 2 }, sinceMs: 1_000 }]);
  });
}

test("a line that is written in part is finished before the next one", () => {
  const { output, reader } = scene();
  Object.assign(reader, { room: 2, code: "ENOSPC" });
  output.write("one\n");
  output.write("two\n");
  assert.equal(reader.text, "on");
  assert.deepEqual([...output.lost], [["no_space", 1]]);
  reader.room = Number.POSITIVE_INFINITY;
  output.write("three\n");
  assert.equal(reader.text, "one\nthree\n");
});

test("a line that is written while losses are reported comes after the report", () => {
  const { output, reader } = scene();
  output.listen({ onPassing: () => output.write("lost\n") });
  Object.assign(reader, { room: 0, code: "EPIPE" });
  output.write("one\n");
  reader.room = Number.POSITIVE_INFINITY;
  output.write("two\n");
  output.write("three\n");
  assert.equal(reader.text, "two\nlost\nthree\n");
});

test("a drain ends with the last line, or with its deadline", async () => {
  const { output, reader, clock } = scene();
  await output.drain(new AbortController().signal);
  reader.room = 0;
  output.write("one\n");
  const deadline = new AbortController();
  const cut = output.drain(deadline.signal);
  deadline.abort();
  await cut;
  const drained = output.drain(new AbortController().signal);
  reader.room = 4;
  await clock.advance(50);
  await drained;
  assert.equal(reader.text, "one\n");
});

test("writes that end later keep their order", async () => {
  let text = "";
  const attempt: WriteBytes = async (bytes) => {
    await Promise.resolve();
    text += bytes.toString("utf8", 0, Math.min(2, bytes.length));
    return Math.min(2, bytes.length);
  };
  const output = new LineOutput(attempt, new FakeClock());
  for (const line of ["one\n", "two\n", "three\n"]) output.write(line);
  await output.drain(new AbortController().signal);
  assert.equal(text, "one\ntwo\nthree\n");
});
