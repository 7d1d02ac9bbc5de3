// SPDX-License-Identifier: Apache-2.0
// Says whether the packages that the agent runs with have known vulnerabilities: exit code 0 for none, 1 for some, and 2 where the
// registry does not say.
import { join } from "node:path";
import { audit } from "./verdict.ts";

const verdict = await audit(join(import.meta.dirname, "../.."));
switch (verdict.kind) {
  case "clean":
    process.stdout.write("no known vulnerability\n");
    break;
  case "vulnerable":
    process.stdout.write(`${verdict.lines.join("\n")}\n`);
    process.exitCode = 1;
    break;
  case "no_answer":
    process.stderr.write(`the registry says nothing about vulnerabilities: ${verdict.reason}\n`);
    process.exitCode = 2;
    break;
}
