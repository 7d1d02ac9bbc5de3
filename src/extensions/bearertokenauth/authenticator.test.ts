// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  runningAuthenticator,
  runningServerAuthenticator,
} from "../../../test/kit/component/authenticator.ts";
import { mountedSecrets } from "../../../test/kit/mounted_secrets.ts";
import { poll } from "../../../test/kit/poll.ts";
import { factory } from "./factory.ts";

test("a request gets the token in the header and by the scheme that the config says", async (context) => {
  const check = async (config: object, want: object): Promise<void> => {
    const { headers } = await runningAuthenticator(context, factory, { id: "bearertokenauth", config });
    assert.deepEqual(await headers({ a: "b" }), { a: "b", ...want });
  };
  await check({ token: "abc" }, { authorization: "Bearer abc" });
  await check({ tokens: ["abc", "def"], scheme: "Basic" }, { authorization: "Basic abc" });
  await check({ token: "abc", scheme: "", header: "X-Api-Key" }, { "x-api-key": "abc" });
});

test("a token file is read again when its link leads to another one", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["token"]);
  exchange({ token: "one\nolder\n" });
  const { headers, status, lines } = await runningAuthenticator(context, factory, {
    id: "bearertokenauth",
    config: { filename: file("token") },
  });
  assert.equal((await headers())["authorization"], "Bearer one");
  exchange({ token: "two" });
  const becomes = (token: string) =>
    poll(`the token ${token}`, async () =>
      (await headers())["authorization"] === `Bearer ${token}` ? true : undefined,
    );
  await becomes("two");
  exchange({ token: "line\u0007" });
  await poll("the trouble", () => (status()?.state === "recoverable_error" ? true : undefined));
  assert.match(
    status()?.error ?? "",
    /^cannot read filename ".*": it holds characters that a header cannot have$/,
  );
  assert.equal((await headers())["authorization"], "Bearer two");
  exchange({ token: "three" });
  await becomes("three");
  await poll("its end", () => (status()?.state === "ok" ? true : undefined));
  assert.ok(!/two|three/.test(JSON.stringify(lines)), "no token is in the log");
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = factory.schema.safeParse(input).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("a token comes from one place only", () => {
  check({}, "token: no bearer token provided; give token or filename");
  check({ token: "" }, "token: no bearer token provided; give token or filename");
  check({ token: " " }, "token: must not be empty");
  check({ tokens: ["a", " "] }, "tokens: must not be empty");
  check({ token: "a", tokens: ["b"] }, "tokens: either tokens or token should be provided, not both");
  check({ token: "a", filename: "/f" }, "filename: cannot be given together with token or tokens");
  check({ token: "a\nb" }, "token: must be printable ASCII");
  check({ token: "a", header: "content-type" }, "header: is a header that the exporter itself decides about");
  check(
    { token: "a", header: "key-bin" },
    "header: must not begin with grpc- or end in -bin, which gRPC keeps for itself",
  );
});

const serving = (context: Parameters<typeof mountedSecrets>[0], config: object) =>
  runningServerAuthenticator(context, factory, { id: "bearertokenauth", config });

test("a request with one of the tokens after the scheme is accepted, and no other is", async (context) => {
  const check = async (config: object, challenge: string, headers: object, want: string): Promise<void> => {
    const { authenticator, check } = await serving(context, config);
    assert.equal(authenticator.challenge, challenge);
    assert.equal(await check({ ...headers }), want, JSON.stringify(headers));
  };
  const bearer = 'Bearer realm="kata-collector"';
  for (const authorization of ["Bearer abc", "bearer abc", "Bearer def"])
    await check({ tokens: ["abc", "def"] }, bearer, { authorization }, "accepted");
  for (const authorization of [
    "",
    "Bearer",
    "Bearer ",
    "abc",
    "Basic abc",
    "Bearerabc",
    "Bearer ab",
    "Bearer abc,def",
  ])
    await check({ tokens: ["abc", "def"] }, bearer, { authorization }, "refused");
  await check({ token: "abc" }, bearer, { "x-api-key": "abc" }, "refused");
  const key = { token: "abc", scheme: "", header: "X-Api-Key" };
  await check(key, 'x-api-key realm="kata-collector"', { "x-api-key": "abc" }, "accepted");
  await check(key, 'x-api-key realm="kata-collector"', { "x-api-key": "" }, "refused");
  await check(key, 'x-api-key realm="kata-collector"', { authorization: "abc" }, "refused");
});

test("each line of the file is a token unless it is blank, and a changed file is read again", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["token"]);
  exchange({ token: "one\r\n\n  two\n\n" });
  const { check } = await serving(context, { filename: file("token") });
  const verdict = (token: string) => check({ authorization: `Bearer ${token}` });
  assert.deepEqual(
    [await verdict("one"), await verdict("two"), await verdict("")],
    ["accepted", "accepted", "refused"],
  );
  exchange({ token: "three" });
  await poll("the new token", async () => (await verdict("three")) === "accepted" || undefined);
  assert.equal(await verdict("one"), "refused");
});
