// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { readProcStats } from "./proc_stats.ts";

/** Whether two readings of one thing at nearly one time agree. */
function near(got: number, want: number, what: string): void {
  assert.ok(Math.abs(got - want) <= Math.max(want * 0.2, 1), `${what}: ${got}, not about ${want}`);
}

test("the figures agree with those that Node has of this process", {
  skip: process.platform !== "linux",
}, () => {
  const stats = readProcStats();
  const { user, system } = process.cpuUsage();
  near(stats.cpuSeconds, (user + system) / 1e6, "CPU");
  near(stats.residentBytes, process.memoryUsage.rss(), "RSS");
  near(stats.startTimeSeconds, Date.now() / 1_000 - process.uptime(), "start");
  assert.ok(stats.openFds > 2 && stats.openFds <= stats.maxFds, `${stats.openFds} of ${stats.maxFds} files`);
  assert.ok(stats.virtualBytes > stats.residentBytes && stats.virtualBytes <= stats.virtualBytesMax);
  assert.ok(stats.receivedBytes >= 0 && stats.transmittedBytes >= 0);
});
