// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Answers } from "../../../src/receivers/kata/answers.ts";
import type { Moment } from "../../../src/receivers/kata/moment.ts";
import { ReadinessCheck } from "../../../src/receivers/kata/readiness.ts";
import { Sandbox } from "../../../src/receivers/kata/sandbox.ts";
import { newStanding, type Standing } from "../../../src/receivers/kata/standing.ts";

/** Makes the receiver's record of a sandbox of the Go shim that was found at `now`, with these changes to its standing. */
export function knownSandbox(
  id: string,
  { now, rank = 0, ...change }: Partial<Standing> & { readonly now: Moment; readonly rank?: number },
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
  sandbox.standing = { ...newStanding(now), ...change };
  return sandbox;
}
