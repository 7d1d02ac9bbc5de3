// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GENERATED } from "./generated.ts";
import { ROOT } from "./sources.ts";

// Usage: node test/tidy/write.ts. Writes the documents that are made from the code; test/docs.test.ts compares them.
for (const { path, make } of GENERATED) {
  writeFileSync(join(ROOT, path), await make());
  console.log(path);
}
