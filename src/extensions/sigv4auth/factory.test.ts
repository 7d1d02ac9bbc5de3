// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { runningAuthenticator } from "../../../test/kit/component/authenticator.ts";
import { testFolder } from "../../../test/kit/test_folder.ts";
import { factory } from "./factory.ts";

const environment = { ...process.env };

before(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  process.env["AWS_EC2_METADATA_DISABLED"] = "true";
});
beforeEach(() => {
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = "/nowhere/credentials";
  process.env["AWS_CONFIG_FILE"] = "/nowhere/config";
});
after(() => {
  process.env = environment;
});

const CONFIG = { region: "us-east-1", service: "aps" };

test("credentials come from the environment", async (context) => {
  process.env["AWS_ACCESS_KEY_ID"] = "AKIDENV";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
  context.after(() => {
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
  });
  const { headers } = await runningAuthenticator(context, factory, { id: "sigv4auth", config: CONFIG });
  assert.match((await headers())["authorization"] ?? "", /^AWS4-HMAC-SHA256 Credential=AKIDENV\//);
});

test("credentials come from the shared file", async (context) => {
  const file = join(testFolder(context), "credentials");
  writeFileSync(file, "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret\n");
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = file;
  const { headers } = await runningAuthenticator(context, factory, { id: "sigv4auth", config: CONFIG });
  assert.match((await headers())["authorization"] ?? "", /^AWS4-HMAC-SHA256 Credential=AKIDFILE\//);
});

test("without credentials a request is not signed, and says why", async (context) => {
  const { headers } = await runningAuthenticator(context, factory, { id: "sigv4auth", config: CONFIG });
  await assert.rejects(headers(), /^Error: cannot get credentials of AWS: /);
});

test("a role is for AWS's own config file", () => {
  const [issue] = factory.schema.safeParse({ assume_role: { arn: "arn" } }).error?.issues ?? [];
  assert.equal(
    issue?.message,
    "is not supported; write a profile with role_arn and source_profile into AWS's shared config file, and name it in AWS_PROFILE",
  );
});
