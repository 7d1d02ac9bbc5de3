// SPDX-License-Identifier: Apache-2.0
import type { Condition } from "./sandbox/condition.ts";

/** The log line for a change of a sandbox's condition. The message is one of a few constant sentences. */
export interface ChangeLine {
  readonly level: "info" | "warn";
  readonly message: string;
}

const WARNINGS = {
  slow: "Sandbox answers slowly.",
  partial: "Sandbox answers without its guest's part.",
  failing: "Sandbox is failing.",
  stale: "Sandbox is stale.",
  unsafe: "Sandbox is not scraped.",
  unreadable: "Sandbox cannot be looked at.",
} as const;

/** Returns the line for a change to `now`; undefined for a change that people need not see, such as the steps of a start. */
export function changeLine(
  before: Condition,
  now: Condition,
  { hasAnswered, isStart }: { readonly hasAnswered: boolean; readonly isStart: boolean },
): ChangeLine | undefined {
  switch (now.state) {
    case "up":
      if (now.code === "slow" || now.code === "partial") return warn(WARNINGS[now.code]);
      if (!hasAnswered) return info("Sandbox answers.");
      return info(before.state === "up" ? "Sandbox is well again." : "Sandbox answers again.");
    case "pending":
      if (now.code === "unreadable") return warn(WARNINGS.unreadable);
      // `isStart` is false once a pod's start should be over. A sandbox that is still pending then needs an operator.
      if (!isStart) return warn(WARNINGS.unsafe);
      return before.state === "pending" ? undefined : info("Sandbox is pending again.");
    case "stale":
    case "failing":
    case "unsafe":
      // No line if only the reason changed: the summary of each minute has the current reasons.
      return isStart || before.state === now.state ? undefined : warn(WARNINGS[now.state]);
    case "ending":
      return before.state === "ending" ? undefined : info("Sandbox is being removed.");
  }
}

function info(message: string): ChangeLine {
  return { level: "info", message };
}

function warn(message: string): ChangeLine {
  return { level: "warn", message };
}
