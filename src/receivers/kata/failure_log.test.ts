import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { FakeClock } from "../../clock/fake_clock.ts";
import { FailureLog } from "./failure_log.ts";

test("a failure that comes again and again is one line per interval, with how often it came", async () => {
  const lines: { msg: string; counts: Record<string, number>; latest: { of: string } }[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const clock = new FakeClock();
  const log = new FailureLog(pino(output), clock);
  const fail = (of: string, fault: string): void => log.note("Scrapes failed.", { of, fault, text: "" });
  fail("a", "timeout");
  fail("b", "timeout");
  fail("c", "refused");
  assert.deepEqual(
    lines.map(({ counts }) => counts),
    [{ timeout: 1 }],
  );
  log.note("Pages have lines that cannot be used.", { of: "a", fault: "bad_lines", text: "" });
  assert.equal(lines.length, 2, "another message has its own interval");
  await clock.advance(60_000);
  fail("d", "timeout");
  assert.deepEqual(lines.at(-1)?.counts, { timeout: 2, refused: 1 });
  assert.equal(lines.at(-1)?.latest.of, "d");
});
