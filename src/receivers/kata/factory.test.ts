import assert from "node:assert/strict";
import { test } from "node:test";
import { factory } from "./factory.ts";

/** The first fault of the config, as path and message. */
function check(config: unknown, want: string): void {
  const { error } = factory.schema.safeParse(config);
  const [issue] = error?.issues ?? [];
  assert.equal(issue && `${issue.path.join("::")}: ${issue.message}`, want, JSON.stringify(config));
}

test("without a word the receiver follows both runtimes and scrapes every 15 seconds", () => {
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

test("a root is a path, or a path with its runtime", () => {
  const roots = ["/run/kata/", "/data/sbs/../x", { path: "/k" }, { path: "/run/kata2", runtime: "rs" }];
  assert.deepEqual(factory.schema.parse({ roots }).roots, [
    { path: "/run/kata", runtime: "rs" },
    { path: "/data/x", runtime: "go" },
    { path: "/k", runtime: "go" },
    { path: "/run/kata2", runtime: "rs" },
  ]);
});

test("a root without a runtime that lies at the usual place is of that place's runtime", () => {
  const roots = [{ path: "/run/kata" }, "/host/run/kata", { path: "/node/run/kata", runtime: "go" }];
  assert.deepEqual(factory.schema.parse({ roots }).roots, [
    { path: "/run/kata", runtime: "rs" },
    { path: "/host/run/kata", runtime: "rs" },
    { path: "/node/run/kata", runtime: "go" },
  ]);
});

test("what cannot work is a fault", () => {
  check({ roots: [] }, "roots: Too small: expected array to have >=1 items");
  check({ roots: ["/a", "/b", "/a/"] }, "roots: names a root twice");
  check({ timeout: "999ms" }, "timeout: must be at least 1s");
  check({ collection_interval: "0s" }, "collection_interval: must be at least 100ms");
  check({ limits: { body_bytes: 10 } }, "limits::body_bytes: must be at least 1024 bytes");
});
