// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogLine, recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { knownSandbox } from "../../../test/kit/kata/sandbox.ts";
import { fakeWitness } from "../../../test/kit/kata/witness.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import type { Limit } from "../../prometheus/parse/limit.ts";
import type { ParsedPage } from "../../prometheus/parse/parsed_page.ts";
import { conditionAfter, type Finding, WELL } from "./sandbox/condition.ts";
import { instantOf } from "./sandbox/instant.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { SandboxLog } from "./sandbox_log.ts";

const WARN = 40;

const HUNG: Finding = { kind: "failed", fault: "timeout", text: "no whole answer" };
const REFUSED: Finding = { kind: "failed", fault: "refused", text: "ECONNREFUSED" };
const NO_SOCKET: Finding = { kind: "not_ready", why: { state: "pending", code: "no_socket", reason: "" } };
const UNREADABLE: Finding = { kind: "not_ready", why: { state: "pending", code: "unreadable", reason: "" } };
const UNPROVED: Finding = { kind: "not_ready", why: { state: "pending", code: "unproved", reason: "" } };
const UNSAFE: Finding = { kind: "not_ready", why: { state: "unsafe", code: "qemu", reason: "has qemu" } };
const REMOVAL: Finding = { kind: "not_ready", why: { state: "ending", code: "removal", reason: "" } };
const SLOW: Finding = { kind: "answered", complaint: { code: "slow", reason: "took long" } };
const PARTIAL: Finding = { kind: "answered", complaint: { code: "partial", reason: "no guest" } };

interface Scene {
  readonly clock: FakeClock;
  readonly log: SandboxLog;
  readonly lines: readonly LogLine[];
  readonly sandboxes: readonly Sandbox[];
  settle(sandbox: Sandbox, finding: Finding): void;
  /** The summary of this minute; undefined if there is none. */
  summary(): LogLine | undefined;
}

/** Sandboxes "0", "1" … of the pods shop/web-0, shop/web-1 …, which the log does not know yet. */
function scene(count: number): Scene {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const settings = testSettings({ clock, logger });
  const ids = Array.from({ length: count }, (_, index) => String(index));
  const pods = Object.fromEntries(ids.map((id) => [id, `shop/web-${id}`]));
  settings.host.single(WITNESSES).add("cri", fakeWitness({ pods, listed: ids }));
  const log = new SandboxLog(settings);
  const sandboxes = ids.map((id) => knownSandbox(id, { now: instantOf(clock) }));
  return {
    clock,
    log,
    lines,
    sandboxes,
    settle(sandbox, finding) {
      const before = sandbox.condition;
      const now = instantOf(clock);
      sandbox.condition = conditionAfter(before, finding, { now, intervalMs: 15_000 });
      if (sandbox.condition.since !== before.since) log.changed(sandbox, before);
      if (finding.kind === "answered") sandbox.answers.lastMs = now.unixMs;
    },
    summary() {
      const known = lines.length;
      log.summarize(sandboxes);
      assert.ok(lines.length <= known + 1, "one line");
      return lines[known];
    },
  };
}

/** The text of a summary for each reason. */
function reasonsOf(
  line: LogLine | undefined,
): Readonly<Record<string, { readonly count: number; readonly names: readonly string[] }>> {
  assert.ok(line !== undefined, "a summary");
  return line["reasons"] as ReturnType<typeof reasonsOf>;
}

/** Returns the log lines about one sandbox with these findings, a minute after each other. */
async function story(...findings: readonly Finding[]): Promise<readonly string[]> {
  const { clock, lines, sandboxes, settle } = scene(1);
  for (const finding of findings) {
    await clock.advance(60_000);
    settle(sandboxes[0] ?? assert.fail(), finding);
  }
  return lines.map(({ msg, level }) => `${level === WARN ? "warn" : "info"} ${msg}`);
}

test("a change of state is one line, at warn for the worse and at info for the better", async () => {
  assert.deepEqual(await story(NO_SOCKET, WELL, HUNG, HUNG, WELL), [
    "info Sandbox answers.",
    "warn Sandbox is failing.",
    "info Sandbox answers again.",
  ]);
  assert.deepEqual(await story(WELL, SLOW, SLOW, WELL, PARTIAL, SLOW, WELL), [
    "info Sandbox answers.",
    "warn Sandbox answers slowly.",
    "info Sandbox is well again.",
    "warn Sandbox answers without its guest's part.",
    "warn Sandbox answers slowly.",
    "info Sandbox is well again.",
  ]);
  assert.deepEqual(await story(UNSAFE, UNSAFE), ["warn Sandbox is not scraped."]);
  assert.deepEqual(await story(UNPROVED, WELL), ["warn Sandbox is not scraped.", "info Sandbox answers."]);
  assert.deepEqual(await story(UNREADABLE, NO_SOCKET), ["warn Sandbox cannot be looked at."]);
  assert.deepEqual(await story(WELL, REFUSED, REFUSED, NO_SOCKET, REMOVAL), [
    "info Sandbox answers.",
    "warn Sandbox is stale.",
    "info Sandbox is pending again.",
    "info Sandbox is being removed.",
  ]);
});

test("a line has the pod, the reason, the state before, and how long that lasted", async () => {
  const { clock, lines, sandboxes, settle } = scene(1);
  const [sandbox = assert.fail()] = sandboxes;
  settle(sandbox, WELL);
  await clock.advance(83_456);
  settle(sandbox, HUNG);
  assert.deepEqual(lines.at(-1), {
    level: WARN,
    sandbox: "0",
    pod: "shop/web-0",
    state: "failing",
    code: "timeout",
    reason: "no whole answer",
    before: "up",
    lasted: "1m23s",
    msg: "Sandbox is failing.",
  });
  await clock.advance(5_000);
  settle(sandbox, WELL);
  assert.deepEqual([lines.at(-1)?.["before"], lines.at(-1)?.["lasted"]], ["failing (timeout)", "5s"]);
});

test("a pod's start is no alarm: found, then one line with the boot times when it answers", async () => {
  const { clock, log, lines, sandboxes, settle } = scene(1);
  const [sandbox = assert.fail()] = sandboxes;
  log.found(sandbox);
  settle(sandbox, NO_SOCKET);
  settle(sandbox, UNPROVED);
  await clock.advance(300);
  settle(sandbox, REFUSED);
  sandbox.answers.boot = { socketMs: 350, answerMs: 40 };
  settle(sandbox, WELL);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ["Sandbox found.", "Sandbox answers."],
  );
  assert.deepEqual([lines[1]?.["boot_socket"], lines[1]?.["boot_answer"]], ["350ms", "40ms"]);
});

test("a sandbox that is stuck pending is logged once, and in every summary until it answers", async () => {
  const { clock, log, lines, sandboxes, settle, summary } = scene(1);
  const [sandbox = assert.fail()] = sandboxes;
  settle(sandbox, NO_SOCKET);
  assert.equal(summary(), undefined);
  await clock.advance(61_000);
  log.stuck(sandbox);
  log.stuck(sandbox);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ["Sandbox runs and cannot be scraped."],
  );
  assert.deepEqual(summary()?.["reasons"], { no_socket: { count: 1, names: ["shop/web-0"] } });
  settle(sandbox, WELL);
  assert.equal(summary(), undefined);
});

test("the summary has the count and up to ten names for each reason, so that noisy sandboxes do not hide others", async () => {
  const { clock, sandboxes, settle, summary } = scene(100);
  const [hung = assert.fail(), ...noisy] = sandboxes;
  assert.equal(summary(), undefined, "nothing is wrong");
  for (const sandbox of noisy.slice(0, 39)) settle(sandbox, REFUSED);
  assert.equal(summary(), undefined, "they may just be starting");
  await clock.advance(10_000);
  settle(hung, HUNG);
  const line = summary();
  assert.equal(line?.["level"], WARN);
  const { timeout, refused } = reasonsOf(line);
  assert.deepEqual(timeout, { count: 1, names: ["shop/web-0"] });
  assert.deepEqual([refused?.count, refused?.names.length], [39, 10]);
  const named = new Set(refused?.names);
  for (let minute = 1; minute < 4; minute++) {
    const { refused: next } = reasonsOf(summary());
    for (const name of next?.names ?? []) named.add(name);
  }
  assert.equal(named.size, 39, "all are named within four minutes");
});

test("the number of lines a minute is limited, and the summary has the other sandboxes", async () => {
  const { clock, lines, sandboxes, settle, summary } = scene(1_000);
  const written: number[] = [];
  for (let minute = 0; minute < 3; minute++) {
    const before = lines.length;
    for (const sandbox of sandboxes) settle(sandbox, HUNG);
    for (const sandbox of sandboxes) settle(sandbox, WELL);
    const line = summary();
    written.push(lines.length - before);
    const { timeout } = reasonsOf(line);
    assert.equal(timeout?.count, 940, "those whose failure was not written, though they are well by now");
    const [answers, failures] = [
      minute === 0 ? "Sandbox answers." : "Sandbox answers again.",
      "Sandbox is failing.",
    ];
    assert.deepEqual(line?.["unwritten"], { [failures]: 940, [answers]: 940 });
    await clock.advance(60_000);
  }
  assert.deepEqual(written, [121, 121, 121]);
  assert.equal(summary(), undefined);
});

test("a state that an operator knows and cannot change causes no summary after a while, but is in summaries that are written", async () => {
  const { clock, sandboxes, settle, summary } = scene(2);
  const [unsafe = assert.fail(), other = assert.fail()] = sandboxes;
  settle(unsafe, UNSAFE);
  settle(other, WELL);
  assert.notEqual(summary(), undefined);
  await clock.advance(601_000);
  assert.equal(summary(), undefined);
  settle(other, HUNG);
  assert.deepEqual(Object.keys(reasonsOf(summary())), ["qemu", "timeout"]);
});

function pageWith({
  badLines = 0,
  limits = [],
}: {
  badLines?: number;
  limits?: readonly Limit[];
}): ParsedPage {
  return {
    schema: { families: [], offsets: [], width: 0 },
    values: new Float64Array(),
    samples: 1,
    badLines,
    skippedLines: limits.length,
    limits: new Set(limits),
    reasons: new Map(),
    firstFault: { line: 3, reason: "no value" },
    unterminated: false,
  };
}

test("bad lines of a page are logged when they begin, and in the summaries while they last", () => {
  const { log, lines, sandboxes, summary } = scene(1);
  const [sandbox = assert.fail()] = sandboxes;
  log.page(sandbox, pageWith({ badLines: 2 }));
  log.page(sandbox, pageWith({ badLines: 2 }));
  assert.deepEqual(
    lines.map(({ msg, reason }) => [msg, reason]),
    [["Page has lines that cannot be used.", "line 3: no value"]],
  );
  assert.deepEqual(summary()?.["reasons"], { bad_lines: { count: 1, names: ["shop/web-0"] } });
  log.page(sandbox, pageWith({}));
  assert.equal(summary(), undefined);
});

test("each limit that a sandbox exceeds is logged once, with the pod and the option, and in the summaries while it lasts", () => {
  const { log, lines, sandboxes, summary } = scene(2);
  const [one = assert.fail(), other = assert.fail()] = sandboxes;
  for (const limits of [["samples"], ["samples", "labels"], [], ["samples"]] as const) {
    log.page(one, pageWith({ limits }));
  }
  log.page(other, pageWith({ limits: ["labels"] }));
  assert.deepEqual(
    lines.map(({ pod, msg, option }) => [pod, msg, option]),
    [
      ["web-0", "samples"],
      ["web-0", "labels"],
      ["web-1", "labels"],
    ].map(([pod, limit]) => [
      `shop/${pod}`,
      "Sandbox is over a limit; what exceeds it is left out.",
      `receivers::test::limits::${limit}`,
    ]),
  );
  const names = ["shop/web-0", "shop/web-1"];
  assert.deepEqual(summary()?.["reasons"], { skipped_lines: { count: 2, names } });
});
