// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runningAuthenticator } from "../../../test/kit/component/authenticator.ts";
import { testFolder } from "../../../test/kit/test_folder.ts";
import { CLIENT_AUTHENTICATORS } from "../../auth/authenticator.ts";
import { createHost } from "../../pipeline/host.ts";
import { factory } from "./factory.ts";

const running = (context: TestContext, config: object, host = createHost()) =>
  runningAuthenticator(context, factory, { id: "headers_setter", config, host });

test("a header is set by its action", async (context) => {
  const check = async (rule: object, want: object): Promise<void> => {
    const { headers } = await running(context, { headers: [rule] });
    assert.deepEqual(await headers({ there: "old" }), want);
  };
  await check({ key: "There", value: "new" }, { there: "new" });
  await check({ key: "New", value: "a" }, { there: "old", new: "a" });
  await check({ key: "there", value: "new", action: "insert" }, { there: "old" });
  await check({ key: "new", value: "a", action: "insert" }, { there: "old", new: "a" });
  await check({ key: "there", value: "new", action: "update" }, { there: "new" });
  await check({ key: "new", value: "a", action: "update" }, { there: "old" });
  await check({ key: "there", action: "delete" }, {});
});

test("rules are applied in their order, and a value may be in a file", async (context) => {
  const file = join(testFolder(context), "tenant");
  writeFileSync(file, "one\n");
  const { headers, authenticator } = await running(context, {
    headers: [
      { key: "a", action: "delete" },
      { key: "a", action: "insert", value: "b" },
      { key: "tenant", value_file: file },
    ],
  });
  assert.deepEqual(await headers({ a: "old" }), { a: "b", tenant: "one" });
  writeFileSync(file, "two\n");
  await authenticator.renew({});
  assert.deepEqual(await headers(), { a: "b", tenant: "two" });
});

test("another authenticator is applied afterwards, and requests that it cannot serve are refused", async (context) => {
  const host = createHost();
  const { headers, authenticator } = await running(
    context,
    { headers: [{ key: "tenant", value: "t" }], additional_auth: "signer" },
    host,
  );
  assert.equal(
    authenticator.refusal("http"),
    'additional_auth: authenticator "signer" is not in service::extensions',
  );
  await assert.rejects(headers({ a: "b" }), /^Error: additional_auth: extension "signer" does not run now$/);
  assert.equal(await authenticator.renew({ tenant: "t" }), false, "and renew never rejects");
  host.single(CLIENT_AUTHENTICATORS).add("signer", {
    refusal: (kind) => (kind === "grpc" ? "it signs HTTP" : undefined),
    authenticate: async ({ headers: before }) => ({ ...before, signed: Object.keys(before).join() }),
    renew: async () => true,
  });
  assert.deepEqual(await headers({ a: "b" }), { a: "b", tenant: "t", signed: "a,tenant" });
  assert.equal(await authenticator.renew({}), true);
  assert.equal(authenticator.refusal("http"), undefined);
  assert.equal(
    authenticator.refusal("grpc"),
    'additional_auth: authenticator "signer" cannot be used here: it signs HTTP',
  );
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = factory.schema.safeParse(input).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("values come from the config, since readings have no context", () => {
  const NO_CONTEXT =
    "readings carry no client context that a value could come from; give value or value_file";
  check({ headers: [] }, "headers: missing headers configuration");
  check({ headers: [{ key: "a" }] }, "headers::0::value: is required, or value_file");
  check(
    { headers: [{ key: "a", value: "b", value_file: "/f" }] },
    "headers::0::value_file: cannot be given together with value",
  );
  check(
    { headers: [{ key: "a", from_context: "tenant" }] },
    `headers::0::from_context: is not supported; ${NO_CONTEXT}`,
  );
  check(
    { headers: [{ key: "a", from_attribute: "tenant" }] },
    `headers::0::from_attribute: is not supported; ${NO_CONTEXT}`,
  );
  check(
    { headers: [{ key: "a", value: "b", default_value: "c" }] },
    `headers::0::default_value: is not supported; it goes with from_context; ${NO_CONTEXT}`,
  );
  check(
    { headers: [{ key: "Content-Length", value: "1" }] },
    "headers::0::key: is a header that the exporter itself decides about",
  );
});
