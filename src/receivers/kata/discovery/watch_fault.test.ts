// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { watchFault } from "./watch_fault.ts";

test("the fault names the limit to raise, and what happens until then", () => {
  const check = (code: string, text: string, want: string): void => {
    const error = Object.assign(new Error(`${code}: ${text}, watch '/run/vc/sbs'`), { code });
    const start = `cannot watch "/run/vc/sbs": ${code}: ${text}; `;
    const end = "until then new sandboxes are found every reconcile_interval (10 s)";
    assert.equal(watchFault("/run/vc/sbs", error, 10_000), `${start}${want}${end}`);
  };
  check(
    "EMFILE",
    "too many open files",
    "raise the sysctl fs.inotify.max_user_instances, or the agent's limit of open files (LimitNOFILE, ulimit -n); ",
  );
  check("ENFILE", "file table overflow", "raise the sysctl fs.file-max; ");
  check("ENOSPC", "no space left on device", "raise the sysctl fs.inotify.max_user_watches; ");
  check("EACCES", "permission denied", "");
});
