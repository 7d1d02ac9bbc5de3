// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  duration,
  formatDuration,
  listenAddress,
  parseDuration,
  parseListenAddress,
  size,
  TIMER_MS_MAX,
} from "./values.ts";

test("durations have Go's grammar", () => {
  const check = (text: string, ms: number | undefined): void => assert.equal(parseDuration(text), ms, text);
  check("15s", 15_000);
  check("1h30m", 5_400_000);
  check("1.5s", 1_500);
  check("200ms", 200);
  check(".5s", 500);
  check("1m0.5s", 60_500);
  check("0", 0);
  check("-2s", -2_000);
  check("15", undefined);
  check("", undefined);
  check("-", undefined);
  check("s", undefined);
  check("1d", undefined);
  check("1s ", undefined);
  check("1.2.3s", undefined);
});

test("a duration is a text or the number 0, up to the longest delay of a timer", () => {
  const check = (input: unknown, ms: number | undefined): void => {
    const parsed = duration().safeParse(input);
    assert.equal(parsed.success ? parsed.data : undefined, ms, String(input));
  };
  check("576h", TIMER_MS_MAX);
  check("577h", undefined);
  check(0, 0);
  check("0", 0);
  check(15, undefined);
  check("-1s", undefined);
  assert.equal(duration({ maxMs: 2 * TIMER_MS_MAX }).parse("577h"), 577 * 3_600_000);
});

test("a formatted duration is parsed to the same value", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (ms) => parseDuration(formatDuration(ms)) === ms),
  );
});

test("sizes are bytes or carry a binary unit", () => {
  const check = (input: unknown, bytes: number | undefined): void => {
    const parsed = size().safeParse(input);
    assert.equal(parsed.success ? parsed.data : undefined, bytes, String(input));
  };
  check(65_536, 65_536);
  check("64KiB", 65_536);
  check("1.5MiB", 1_572_864);
  check("2B", 2);
  check("64KB", undefined);
  check("0.3B", undefined);
  check(0, undefined);
  check(-1, undefined);
  check(true, undefined);
});

test("the path of a unix socket fits in its address", () => {
  const check = (bytes: number, want: string | undefined): void => {
    const text = `unix:///${"é".repeat((bytes - 1) / 2)}`;
    assert.equal(listenAddress().safeParse(text).error?.issues[0]?.message, want);
  };
  check(107, undefined);
  check(109, "must have a path of at most 107 bytes");
});

test("listen addresses are host and port, or a unix socket", () => {
  const check = (text: string, want: unknown): void => assert.deepEqual(parseListenAddress(text), want, text);
  check("localhost:8888", { host: "localhost", port: 8888 });
  check("0.0.0.0:9090", { host: "0.0.0.0", port: 9090 });
  check("[::1]:9", { host: "::1", port: 9 });
  check(":9090", { host: "::", port: 9090 });
  check("unix:///run/x.sock", { path: "/run/x.sock" });
  check("unix://relative", undefined);
  check("localhost", undefined);
  check("localhost:65536", undefined);
  check("::1:9", undefined);
  check("http://localhost:80", undefined);
});
