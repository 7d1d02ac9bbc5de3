// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Births, bootTimes } from "./boot_times.ts";
import type { Instant } from "./instant.ts";

/** Milliseconds after the directory's birth. */
interface Row {
  readonly begun?: number;
  readonly found?: number;
  readonly socket?: number;
  readonly answered?: number;
  /** The time by which the clock of the time of day was set forward after the sandbox was found. */
  readonly set?: number;
  readonly isExact?: boolean;
}

const BIRTH: Instant = { unixMs: 1_700_000_000_000, monotonicMs: 50_000 };

function at(ms: number): Instant {
  return { unixMs: BIRTH.unixMs + ms, monotonicMs: BIRTH.monotonicMs + ms };
}

/** The boot times up to the socket and from there to the answer. */
function check(row: Row, want: readonly [socketMs: number | undefined, answerMs: number | undefined]): void {
  const { begun = -40_000, found = 30, socket = 800, answered = 900, set = 0, isExact = true } = row;
  const births: Births = { directoryMs: BIRTH.unixMs, isExact, socketMs: at(socket).unixMs };
  const { unixMs, monotonicMs } = at(answered);
  const got = bootTimes(births, {
    begunMs: at(begun).monotonicMs,
    found: at(found),
    answered: { unixMs: unixMs + set, monotonicMs },
  });
  assert.deepEqual([got.socketMs, got.answerMs], want, JSON.stringify(row));
}

test("the boot times of a sandbox that the agent saw start are known", () => {
  check({}, [800, 100]);
  check({ isExact: false }, [800, 100]);
  check({ begun: 0 }, [800, 100]);
  check({ answered: 900_000, socket: 890_000 }, [890_000, 10_000]);
});

test("a sandbox that existed before the agent has no boot times", () => {
  check({ begun: 21 }, [undefined, undefined]);
  check({ begun: 2_000, found: 2_100, answered: 2_200 }, [undefined, undefined]);
});

test("if the clock was set, the times that it contradicts are left out", () => {
  check({ set: 3_600_000 }, [undefined, undefined]);
  check({ set: -3_600_000 }, [undefined, undefined]);
  check({ found: -5_000 }, [undefined, undefined]);
  check({ socket: 1_000, answered: 900 }, [1_000, undefined]);
  check({ socket: -1 }, [undefined, 901]);
});

test("if the file system knows no times of birth, the directory must have been found before its socket was made", () => {
  check({ isExact: false, found: 850 }, [undefined, 100]);
  check({ isExact: true, found: 850 }, [800, 100]);
});

test("if the socket is gone, both times are left out", () => {
  const got = bootTimes(undefined, { begunMs: 0, found: at(0), answered: at(1) });
  assert.deepEqual(got, { socketMs: undefined, answerMs: undefined });
});
