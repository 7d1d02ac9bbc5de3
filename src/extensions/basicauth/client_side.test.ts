// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runningAuthenticator } from "../../../test/kit/component/authenticator.ts";
import { mountedSecrets } from "../../../test/kit/mounted_secrets.ts";
import { poll } from "../../../test/kit/poll.ts";
import { testFolder } from "../../../test/kit/test_folder.ts";
import { factory } from "./factory.ts";

const running = (context: Parameters<typeof testFolder>[0], client_auth: object) =>
  runningAuthenticator(context, factory, { id: "basicauth", config: { client_auth } });

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

test("a request gets the name and the password, whatever else it has", async (context) => {
  const { headers } = await running(context, { username: "Aladdin", password: "open sesame" });
  // The example of RFC 7617.
  assert.deepEqual(await headers({ authorization: "old", a: "b" }), {
    authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    a: "b",
  });
  const other = await running(context, { username: "ü", password: "" });
  assert.equal((await other.headers())["authorization"], basic("ü:"));
});

test("name and password may be in files, which are read again when they change", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["username", "password"]);
  exchange({ username: "me\n", password: "one:two\n" });
  const { headers } = await running(context, {
    username: "not me",
    username_file: file("username"),
    password_file: file("password"),
  });
  assert.equal((await headers())["authorization"], basic("me:one:two"));
  exchange({ username: "you", password: "three" });
  await poll("the new header", async () =>
    (await headers())["authorization"] === basic("you:three") ? true : undefined,
  );
});

test("after a refusal the password is read again", async (context) => {
  const file = join(testFolder(context), "password");
  writeFileSync(file, "one");
  const { authenticator, headers } = await running(context, { username: "me", password_file: file });
  assert.equal(await authenticator.renew(await headers()), false);
  writeFileSync(file, "two");
  await authenticator.renew(await headers());
  assert.equal((await headers())["authorization"], basic("me:two"));
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = factory.schema.safeParse(input).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("what is missing or not supported is a fault", () => {
  check({ client_auth: { username: "a", password: "" } }, undefined);
  check(
    { htpasswd: { inline: "a:b" }, client_auth: { username: "a", password: "b" } },
    "htpasswd::inline: must be lines of name:hash: line 1 has no hash that is known, or a password in the clear; make it with htpasswd -B",
  );
  check({ client_auth: { password: "b" } }, "client_auth::username: is required, or username_file");
  check(
    { client_auth: { username: "a" } },
    'client_auth::password: is required, or password_file; "" for none',
  );
  check(
    { client_auth: { username: "a:b", password: "c" } },
    "client_auth::username: must not hold a colon, which ends it in the header",
  );
});
