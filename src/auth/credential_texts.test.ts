// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lineOf, recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { mountedSecrets } from "../../test/kit/mounted_secrets.ts";
import { poll } from "../../test/kit/poll.ts";
import { testFolder } from "../../test/kit/test_folder.ts";
import { createHost } from "../pipeline/host.ts";
import { type CredentialSource, CredentialTexts } from "./credential_texts.ts";

/** One text of an extension whose clock does not move by itself. */
async function reading(context: TestContext, source: Omit<CredentialSource, "option">) {
  const host = createHost();
  host.statuses.report("extension", "auth", "ok");
  const { logger, lines } = recordedLogger();
  const settings = testSettings({ id: "auth", host, logger });
  const texts = new CredentialTexts({ token: { option: "token_file", ...source } }, { settings });
  context.after(() => texts.close());
  await texts.start();
  return {
    texts,
    lines,
    becomes: (text: string) =>
      poll(`the text "${text}"`, () => (texts.get("token") === text ? true : undefined)),
    /** The state and its error, once it is no longer what it was. */
    status: (state: string) =>
      poll(`the state ${state}`, () => host.statuses.components().find((one) => one.state === state)?.error),
  };
}

test("a text of the config is used as it is; a file is preferred, without the white space around its text", async (context) => {
  assert.equal((await reading(context, { text: " a " })).texts.get("token"), " a ");
  const file = join(testFolder(context), "f");
  writeFileSync(file, " one\r\ntwo \n");
  assert.equal((await reading(context, { text: "a", file })).texts.get("token"), "one\r\ntwo");
});

test("a file that is written anew, or replaced, is read again", async (context) => {
  const folder = testFolder(context);
  const file = join(folder, "token");
  writeFileSync(file, "one");
  const { becomes } = await reading(context, { file });
  writeFileSync(file, "two");
  await becomes("two");
  writeFileSync(join(folder, "fresh"), "three");
  renameSync(join(folder, "fresh"), file);
  await becomes("three");
  writeFileSync(file, "four");
  await becomes("four");
});

test("a file behind the links of a mounted secret is read again, each time", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["token"]);
  exchange({ token: "one" });
  const { becomes } = await reading(context, { file: file("token") });
  for (const token of ["two", "three", "four"]) {
    exchange({ token });
    await becomes(token);
  }
});

test("readAgain and refresh find new texts", async (context) => {
  const file = join(testFolder(context), "token");
  writeFileSync(file, "one");
  const { texts } = await reading(context, { file });
  writeFileSync(file, "two");
  await texts.readAgain();
  assert.equal(texts.get("token"), "two");
  writeFileSync(file, "three");
  await texts.refresh();
  assert.equal(texts.get("token"), "three");
});

test("a file that cannot be used any more leaves its last text, a status and a line", async (context) => {
  const file = join(testFolder(context), "token");
  writeFileSync(file, "one");
  const { texts, lines, status, becomes } = await reading(context, {
    file,
    reject: (text) => (text.includes("!") ? "it shouts" : undefined),
  });
  rmSync(file);
  assert.equal(await status("recoverable_error"), `cannot read token_file "${file}": no such file`);
  assert.equal(texts.get("token"), "one");
  const line = await lineOf(lines, "Credentials cannot be read again; the old ones stay in use.");
  assert.equal(line["error"], `cannot read token_file "${file}": no such file`);
  await assert.rejects(texts.refresh(), /cannot read token_file ".*": no such file/);
  await texts.readAgain();
  assert.equal(texts.get("token"), "one");

  writeFileSync(file, "two");
  await becomes("two");
  await status("ok");
  await lineOf(lines, "Credentials can be read again.");
  truncateSync(file);
  assert.match(await status("recoverable_error"), /it is empty$/);
  writeFileSync(file, "three!");
  await poll("the other reason", () =>
    lines.some((one) => /it shouts$/.test(String(one["error"]))) ? true : undefined,
  );
  assert.equal(texts.get("token"), "two");
  assert.ok(!JSON.stringify(lines).includes("three"), "no secret is in the log");
});

test("a file that cannot be used at the start is an error with its option", async (context) => {
  const folder = testFolder(context);
  const check = (name: string, text: string, want: RegExp): Promise<void> => {
    const file = join(folder, name);
    if (text !== "") writeFileSync(file, text);
    return assert.rejects(reading(context, { file }), want);
  };
  await check("missing", "", /^Error: cannot read token_file ".*missing": no such file$/);
  await check("empty", " \n", /^Error: cannot read token_file ".*empty": it is empty$/);
  await check(
    "long",
    "x".repeat(65_537),
    /^Error: cannot read token_file ".*long": it has more than 65536 bytes$/,
  );
});
