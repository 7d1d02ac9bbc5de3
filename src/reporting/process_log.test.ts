// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { LineOutput } from "./line_output.ts";
import { createLogger } from "./logs.ts";
import { ProcessLog } from "./process_log.ts";

function scene() {
  const reader = { text: "", isThere: true };
  const attempt = (bytes: Buffer): number => {
    if (!reader.isThere) throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
    reader.text += String(bytes);
    return bytes.length;
  };
  const log = new ProcessLog(new LineOutput(attempt, new FakeClock(0)));
  const lines = (): string[] => reader.text.split("\n").filter(Boolean);
  const attach = (): ReturnType<typeof createLogger> => {
    const logger = createLogger({ level: "info", encoding: "json", initialFields: { node: "n1" } }, log);
    log.attach(logger);
    return logger;
  };
  const stray = (detail: string) => ({ level: "warn", fields: { detail }, message: "Said." }) as const;
  return { reader, log, lines, attach, stray };
}

test("stray lines wait for the logger, and have its form and fields", () => {
  const { log, lines, attach, stray } = scene();
  log.say(stray("early"));
  assert.deepEqual(lines(), []);
  attach();
  log.say(stray("late"));
  const parsed = lines().map((line) => JSON.parse(line));
  assert.deepEqual(
    parsed.map(({ node, detail, msg }) => [node, detail, msg]),
    [
      ["n1", "early", "Said."],
      ["n1", "late", "Said."],
    ],
  );
});

test("stray lines of a process that never has a logger are written at its end", async () => {
  const { log, lines, stray } = scene();
  log.say(stray("only"));
  await log.drain(new AbortController().signal);
  assert.match(lines()[0] ?? "", /\twarn\tSaid\.\t\{"detail":"only"\}$/);
});

test("if there are many stray lines, they do not wait forever", () => {
  const { log, lines, stray } = scene();
  for (let count = 0; count < 150; count++) log.say(stray(`${count}`));
  assert.equal(lines().length, 150);
});

test("lost lines are counted, and reported when lines can be written again", () => {
  const { reader, log, lines, attach } = scene();
  const logger = attach();
  reader.isThere = false;
  logger.info("one");
  logger.info("two");
  assert.deepEqual([...log.lost()], [["no_reader", 2]]);
  reader.isThere = true;
  logger.info("three");
  const [three, lost] = lines().map((line) => JSON.parse(line));
  assert.equal(three.msg, "three");
  assert.deepEqual(
    [lost.level, lost.msg, lost.lines, lost.since],
    ["error", "Log lines were lost; lines pass again.", { no_reader: 2 }, "1970-01-01T00:00:00.000Z"],
  );
});
