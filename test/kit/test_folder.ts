// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Makes an empty folder, which is removed after the test. */
export function testFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
