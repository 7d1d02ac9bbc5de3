// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { releaseDate } from "./release.ts";

test("a release is dated by SOURCE_DATE_EPOCH, in whole seconds, and never by the present moment", () => {
  const folder = mkdtempSync(join(tmpdir(), "date-"));
  try {
    assert.equal(releaseDate(folder, "0").toISOString(), "1970-01-01T00:00:00.000Z");
    assert.equal(releaseDate(folder, "1700000000").toISOString(), "2023-11-14T22:13:20.000Z");
    for (const text of ["", "1.5", "-1", "now", "123456789012"])
      assert.throws(() => releaseDate(folder, text), /SOURCE_DATE_EPOCH must be in whole seconds/, text);
    assert.throws(() => releaseDate(folder, undefined), /there is no commit; set SOURCE_DATE_EPOCH/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
