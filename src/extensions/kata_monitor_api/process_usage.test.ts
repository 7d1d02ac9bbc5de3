// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { readProcessUsage } from "./process_usage.ts";

/** Whether two readings of one thing at nearly one time agree. */
function near(got: number, want: number, what: string): void {
  assert.ok(Math.abs(got - want) <= Math.max(want * 0.2, 1), `${what}: ${got}, not about ${want}`);
}

test("what is read is what Node knows of this process by other ways", {
  skip: process.platform !== "linux",
}, () => {
  const usage = readProcessUsage();
  const { user, system } = process.cpuUsage();
  near(usage.cpuSeconds, (user + system) / 1e6, "CPU");
  near(usage.residentBytes, process.memoryUsage.rss(), "RSS");
  near(usage.startTimeSeconds, Date.now() / 1_000 - process.uptime(), "start");
  assert.ok(usage.openFds > 2 && usage.openFds <= usage.maxFds, `${usage.openFds} of ${usage.maxFds} files`);
  assert.ok(usage.virtualBytes > usage.residentBytes && usage.virtualBytes <= usage.virtualBytesMax);
  assert.ok(usage.receivedBytes >= 0 && usage.transmittedBytes >= 0);
});
