// SPDX-License-Identifier: Apache-2.0
import type { SandboxStatus } from "../../../src/kata/sandboxes.ts";

/** Makes the status of a Go sandbox that is up and whose pod is not known, with these changes. */
export function sandboxStatus(id: string, change: Partial<SandboxStatus> = {}): SandboxStatus {
  return {
    id,
    directory: `/run/vc/sbs/${id}`,
    runtime: "go",
    pod: undefined,
    isListed: undefined,
    state: "up",
    code: "",
    reason: "",
    sinceMs: 0,
    hasShim: true,
    lastAnswerMs: 0,
    nextScrapeMs: undefined,
    limits: [],
    ...change,
  };
}
