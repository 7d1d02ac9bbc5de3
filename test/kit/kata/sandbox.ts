// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ReadinessCheck } from "../../../src/receivers/kata/proof/readiness.ts";
import { Answers } from "../../../src/receivers/kata/sandbox/answers.ts";
import { type Condition, newCondition } from "../../../src/receivers/kata/sandbox/condition.ts";
import type { Instant } from "../../../src/receivers/kata/sandbox/instant.ts";
import { Sandbox } from "../../../src/receivers/kata/sandbox/sandbox.ts";

/** Makes the receiver's record of a sandbox of the Go shim that was found at `now`, with these changes to its condition. */
export function knownSandbox(
  id: string,
  { now, rank = 0, ...change }: Partial<Condition> & { readonly now: Instant; readonly rank?: number },
): Sandbox {
  const root = { path: `/root${rank}`, runtime: "go" } as const;
  const identity = { key: id, bornMs: 0 };
  const found = { id, root, runtime: root.runtime, directory: `${root.path}/${id}`, identity };
  const sandbox = new Sandbox(found, {
    resource: { key: `kata/${id}`, attributes: [] },
    source: { parse: () => assert.fail(), beginWith: () => assert.fail() },
    answers: new Answers(10_000),
    rank,
    now,
    readiness: new ReadinessCheck(found, { allowed: [], nowMs: () => now.unixMs }),
  });
  sandbox.condition = { ...newCondition(now), ...change };
  return sandbox;
}
