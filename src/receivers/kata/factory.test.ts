// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { factory } from "./factory.ts";

/** The first fault of the config, as path and message. */
function check(config: unknown, want: string): void {
  const { error } = factory.schema.safeParse(config);
  const [issue] = error?.issues ?? [];
  assert.equal(issue && `${issue.path.join("::")}: ${issue.message}`, want, JSON.stringify(config));
}

test("without options the receiver follows both runtimes and scrapes every 15 seconds", () => {
  const config = factory.schema.parse({});
  assert.deepEqual(config.roots, [
    { path: "/run/vc/sbs", runtime: "go" },
    { path: "/run/kata", runtime: "rs" },
  ]);
  const { intervalMs, initialDelayMs, timeoutMs, reconcileIntervalMs, concurrency } = config;
  assert.deepEqual(
    { intervalMs, initialDelayMs, timeoutMs, reconcileIntervalMs, concurrency },
    {
      intervalMs: 15_000,
      initialDelayMs: 0,
      timeoutMs: 10_000,
      reconcileIntervalMs: 10_000,
      concurrency: 16,
    },
  );
  assert.deepEqual(config.unsafeHypervisors, []);
});

test("a config that cannot work is a fault", () => {
  check({ roots: [] }, "roots: Too small: expected array to have >=1 items");
  check({ roots: ["/a", "/b", "/a/"] }, "roots: names a root twice");
  check({ timeout: "999ms" }, "timeout: must be at least 1s");
  check({ collection_interval: "0s" }, "collection_interval: must be at least 100ms");
  check({ limits: { body_bytes: 10 } }, "limits::body_bytes: must be at least 1024 bytes");
});
