// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { accessFault } from "./access_fault.ts";

function failed(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}, scandir '/run/vc/sbs'`), { code });
}

test("a fault of missing rights names the ways out; another fault has none", () => {
  const check = (error: unknown, want: string): void => assert.equal(accessFault("/run/vc/sbs", error), want);
  check(
    failed("EACCES", "permission denied"),
    'cannot look at "/run/vc/sbs": EACCES: permission denied; run the agent as uid 0 or with CAP_DAC_OVERRIDE; ' +
      "where SELinux or AppArmor denies it, give it an SELinux type (spc_t in a container) or an AppArmor profile that may",
  );
  check(
    failed("EPERM", "operation not permitted"),
    'cannot look at "/run/vc/sbs": EPERM: operation not permitted; ' +
      "give it an SELinux type (spc_t in a container) or an AppArmor profile that may",
  );
  check(failed("EIO", "i/o error"), 'cannot look at "/run/vc/sbs": EIO: i/o error');
  check(new Error("no luck, at all"), 'cannot look at "/run/vc/sbs": no luck, at all');
  check("nothing", 'cannot look at "/run/vc/sbs": nothing');
});
