// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { hashSync } from "bcryptjs";
import { runningServerAuthenticator } from "../../../test/kit/component/authenticator.ts";
import { mountedSecrets } from "../../../test/kit/mounted_secrets.ts";
import { poll } from "../../../test/kit/poll.ts";
import { factory } from "./factory.ts";

const HASHES = { me: hashSync("right", 4), you: hashSync("yours", 4) };
const running = (context: TestContext, htpasswd: object) =>
  runningServerAuthenticator(context, factory, { id: "basicauth", config: { htpasswd } });
const basic = (text: string, scheme = "Basic") => ({
  authorization: `${scheme} ${Buffer.from(text).toString("base64")}`,
});

test("a request with the name and the password is accepted, and no other is", async (context) => {
  const { authenticator, clock, ...rest } = await running(context, {
    inline: `me:${HASHES.me}\nü:${HASHES.you}`,
  });
  const check = async (headers: Readonly<Record<string, string>>) => {
    await clock.advance(100);
    return await rest.check(headers);
  };
  assert.match(authenticator.challenge, /^Basic realm="kata-collector"/);
  assert.equal(await check(basic("me:right")), "accepted");
  assert.equal(await check(basic("me:right", "bAsIc")), "accepted");
  assert.equal(await check(basic("ü:yours")), "accepted");
  for (const text of ["me:wrong", "me:", "me:right ", "me", ":right", "me:yours", "nobody:right", "ü:right"])
    assert.equal(await check(basic(text)), "refused", text);
  for (const authorization of ["", "Basic", "Basic ", "Basic !!", "Bearer bWU6cmlnaHQ=", "bWU6cmlnaHQ="])
    assert.equal(await check({ authorization }), "refused", authorization);
  assert.equal(await check({}), "refused");
});

test("a right password is remembered, so that a flood of wrong ones does not delay it", async (context) => {
  const { check, clock } = await running(context, { inline: `me:${HASHES.me}\nyou:${HASHES.you}` });
  assert.equal(await check(basic("me:right"), "peer"), "accepted");
  // The clock does not move, so no further comparison begins, and this one waits.
  const waiting = check(basic("you:wrong"), "flood");
  assert.equal(await check(basic("you:wrong too"), "flood"), "busy");
  assert.equal(await check(basic("me:right"), "peer"), "accepted");
  assert.equal(await check(basic("me:right"), "flood"), "accepted");
  await clock.advance(100);
  assert.equal(await waiting, "refused");
});

test("a password is remembered for an hour after it came last", async (context) => {
  const { check, clock } = await running(context, { inline: `me:${HASHES.me}` });
  assert.equal(await check(basic("me:right")), "accepted");
  await clock.advance(3_599_000);
  assert.equal(await check(basic("me:right")), "accepted");
  await clock.advance(3_599_000);
  const waiting = check(basic("me:wrong"), "flood");
  assert.equal(await check(basic("me:right"), "flood"), "accepted", "known without a comparison");
  await waiting;
  await clock.advance(3_601_000);
  const comparing = check(basic("me:wrong"), "flood");
  assert.equal(await check(basic("me:right"), "flood"), "busy", "no longer known");
  await comparing;
});

test("the file is read again when it changes; old passwords end with it, remembered or not", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["htpasswd"]);
  exchange({ htpasswd: `me:${HASHES.me}\n` });
  const { check, clock, status, lines } = await running(context, { file: file("htpasswd") });
  const verdict = async (text: string) => {
    await clock.advance(100);
    return await check(basic(text));
  };
  assert.equal(await verdict("me:right"), "accepted");
  exchange({ htpasswd: `me:${HASHES.you}\n` });
  await poll("the new password", async () => (await verdict("me:yours")) === "accepted" || undefined);
  assert.equal(await verdict("me:right"), "refused");
  exchange({ htpasswd: `me:${HASHES.you}\nyou:s3cret` });
  await poll("the trouble", () => status()?.state === "recoverable_error" || undefined);
  assert.match(status()?.error ?? "", /^cannot read htpasswd::file ".*": line 2 has no hash that is known/);
  assert.equal(await verdict("me:yours"), "accepted");
  assert.ok(!/s3cret|\$2/.test(JSON.stringify(lines)), "no secret is in the log");
});

test("where a name is in both, the config's password counts", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["htpasswd"]);
  exchange({ htpasswd: `me:${HASHES.you}\nyou:${HASHES.you}` });
  const { check, clock } = await running(context, { file: file("htpasswd"), inline: `me:${HASHES.me}` });
  assert.equal(await check(basic("me:right")), "accepted");
  await clock.advance(100);
  assert.equal(await check(basic("me:yours")), "refused");
  await clock.advance(100);
  assert.equal(await check(basic("you:yours")), "accepted");
});

test("a server side without credentials, with bad ones, or together with a client side is a fault", () => {
  const check = (config: object, wanted: string): void => {
    const [issue] = factory.schema.safeParse(config).error?.issues ?? [];
    assert.equal(`${issue?.path.join("::")}: ${issue?.message}`, wanted);
  };
  check({}, "client_auth: is required for exporters, or htpasswd for listeners");
  check({ htpasswd: {} }, "htpasswd: no credential source provided; give file or inline");
  const inline = `a:${HASHES.me}`;
  check(
    { htpasswd: { inline }, client_auth: { username: "a", password: "b" } },
    "htpasswd: only one of htpasswd and client_auth can be specified; give each an extension",
  );
  check(
    { htpasswd: { inline: `${inline}\nb:$apr1$a$b` } },
    "htpasswd::inline: must be lines of name:hash: line 2 has a hash by MD5 (apr1), which is not supported; make it with htpasswd -B",
  );
});
