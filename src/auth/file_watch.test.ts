// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { poll } from "../../test/kit/poll.ts";
import { testFolder } from "../../test/kit/test_folder.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { entriesTo, FileWatch } from "./file_watch.ts";

test("the way to a file consists of each link and the file", (context) => {
  const folder = realpathSync(testFolder(context));
  const check = (path: string, ...want: readonly string[]): void =>
    assert.deepEqual(
      entriesTo(join(folder, path)),
      want.map((entry) => join(folder, entry)),
      path,
    );
  mkdirSync(join(folder, "v1"));
  writeFileSync(join(folder, "v1/token"), "");
  symlinkSync("v1", join(folder, "data"));
  symlinkSync("data/token", join(folder, "token"));
  symlinkSync(join(folder, "token"), join(folder, "v1/far"));
  symlinkSync("loop", join(folder, "loop"));
  check("v1/token", "v1/token");
  check("token", "token", "data", "v1/token");
  check("data/far", "data", "v1/far", "token", "data", "v1/token");
  check("missing", "missing");
  check("data/missing", "data", "v1/missing");
  check("none/missing", "none/missing");
  assert.ok(entriesTo(join(folder, "loop")).length > 1, "it ends");
});

/** A watch whose clock does not move, and the number of its hints. */
function watching(context: TestContext, path: string) {
  const clock = new FakeClock();
  let hints = 0;
  const onError = (error: Error): void => assert.fail(error);
  const watch = new FileWatch({ path, clock, onHint: () => hints++, onError });
  context.after(() => watch.close());
  watch.arm();
  return { watch, clock, hints: () => hints };
}

test("a hint comes from time to time, and none after the close", async (context) => {
  const { watch, clock, hints } = watching(context, join(testFolder(context), "file"));
  await poll("the watcher to be there", () => (hints() > 0 ? true : undefined));
  const before = hints();
  await clock.advance(10_000);
  assert.equal(hints(), before + 1);
  watch.arm();
  await clock.advance(10_000);
  assert.equal(hints(), before + 2);
  watch.arm();
  await watch.close();
  assert.equal(clock.timerCount, 0);
});

test("a file that appears, changes or disappears causes a hint; its neighbours do not", async (context) => {
  const folder = testFolder(context);
  const { hints } = watching(context, join(folder, "file"));
  const next = async (act: () => void): Promise<void> => {
    const before = hints();
    act();
    await poll("a hint", () => (hints() > before ? true : undefined));
  };
  await next(() => {});
  writeFileSync(join(folder, "other"), "a");
  await next(() => writeFileSync(join(folder, "file"), "a"));
  await next(() => writeFileSync(join(folder, "file"), "bc"));
});
