// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GENERATED } from "./tidy/generated.ts";
import { ROOT } from "./tidy/sources.ts";

for (const { path, make } of GENERATED) {
  test(`${path} is what node test/tidy/write.ts writes`, async () => {
    assert.equal(readFileSync(join(ROOT, path), "utf8"), await make());
  });
}
