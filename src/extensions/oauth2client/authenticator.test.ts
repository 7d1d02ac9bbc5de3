// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createTestAuthority } from "../../../test/kit/certificates.ts";
import { runningAuthenticator } from "../../../test/kit/component/authenticator.ts";
import { answering, type HttpAnswer, startPushServer } from "../../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../../test/kit/peers.ts";
import { poll } from "../../../test/kit/poll.ts";
import { testFolder } from "../../../test/kit/test_folder.ts";
import { LastingError } from "../../auth/lasting_error.ts";
import { factory } from "./factory.ts";

const JSON_TYPE = { "content-type": "application/json" };
const granting = (token: object): HttpAnswer => answering(200, JSON_TYPE, JSON.stringify(token));
const GRANTED = granting({ access_token: "abc", token_type: "bearer", expires_in: 3600 });

/** An extension, and the token endpoint that answers it so. */
async function running(context: TestContext, answers: readonly HttpAnswer[], config: object = {}) {
  const server = await startPushServer(context, { answers });
  const given = { client_id: "me", client_secret: "s3cret", token_url: `${server.url}/token`, ...config };
  const extension = await runningAuthenticator(context, factory, { id: "oauth2client", config: given });
  return { ...extension, server, url: `${server.url}/token` };
}

/** One request: its header and its form. */
function asked({ headers, body }: { headers: Readonly<Record<string, unknown>>; body: Buffer }) {
  return [headers["authorization"], Object.fromEntries(new URLSearchParams(body.toString()))];
}

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

test("a token is asked for with all that the config says, once, and given to each request", async (context) => {
  const { server, headers } = await running(context, [GRANTED], {
    client_id: "me & you",
    client_secret: "a:b c",
    scopes: ["read", "write"],
    endpoint_params: { audience: "metrics" },
  });
  assert.equal(server.requests.length, 0, "nobody has asked");
  const many = await Promise.all([headers({ a: "b" }), headers(), headers()]);
  assert.deepEqual(many[0], { a: "b", authorization: "Bearer abc" });
  assert.equal(server.requests.length, 1);
  const [request] = server.requests;
  assert.equal(request?.path, "/token");
  assert.equal(request?.headers["content-type"], "application/x-www-form-urlencoded");
  assert.deepEqual(asked(request ?? assert.fail()), [
    basic("me+%26+you:a%3Ab+c"),
    { grant_type: "client_credentials", scope: "read write", audience: "metrics" },
  ]);
});

test("a server that wants the secret in the form gets it there, and from then on at the first attempt", async (context) => {
  const refusal = answering(401, JSON_TYPE, '{"error":"invalid_client"}');
  const { server, headers, clock } = await running(context, [refusal, GRANTED]);
  assert.deepEqual(await headers(), { authorization: "Bearer abc" });
  const form = { grant_type: "client_credentials", client_id: "me", client_secret: "s3cret" };
  assert.deepEqual(server.requests.map(asked), [
    [basic("me:s3cret"), { grant_type: "client_credentials" }],
    [undefined, form],
  ]);
  await clock.advance(3_600_000);
  await headers();
  assert.deepEqual(server.requests.slice(2).map(asked), [[undefined, form]]);
});

test("a server that gives no token is named, with its reason and without the secret", async (context) => {
  const check = async (answer: HttpAnswer, reason: string, isLasting = true): Promise<void> => {
    const { headers, url, status, lines } = await running(context, [answer]);
    const message = `cannot get a token from "${url}": ${reason}`;
    await assert.rejects(headers(), (error: Error) => {
      assert.equal(error.message, message);
      assert.equal(error instanceof LastingError, isLasting, message);
      return true;
    });
    assert.deepEqual([status()?.state, status()?.error], ["recoverable_error", message]);
    assert.ok(!JSON.stringify(lines).includes("s3cret"));
  };
  const error = (status: number, body: object): HttpAnswer =>
    answering(status, JSON_TYPE, JSON.stringify(body));
  await check(
    error(401, { error: "invalid_client", error_description: "no s3cret is\n known" }),
    "401 Unauthorized: invalid_client: no [REDACTED] is known",
  );
  await check(answering(503, {}, "<html>"), "503 Service Unavailable", false);
  await check(
    answering(302, { location: "/login" }),
    '302 Found: redirects are not followed; this one leads to "/login"',
  );
  await check(answering(200, {}, "<html>rubbish</html>"), "the answer is no token: it is no JSON");
  const noToken = "the answer is no token: there is no access_token that a header can have";
  await check(granting({ token: "abc" }), noToken);
  await check(granting({ access_token: "a\nb" }), noToken);
  await check(granting({ access_token: 7 }), noToken);
  await check((request) => request.socket.destroy(), "socket hang up", false);
});

test("a server that is late is given up, even in the middle of its answer", async (context) => {
  const check = async (answer: HttpAnswer): Promise<void> => {
    const { headers, url, server, clock } = await running(context, [answer, GRANTED], { timeout: "2s" });
    const late = headers();
    await poll("the request", () => server.requests[0]);
    const failed = assert.rejects(late, { message: `cannot get a token from "${url}": no answer within 2s` });
    await clock.advance(2_000);
    await failed;
    await clock.advance(1_000);
    assert.deepEqual(await headers(), { authorization: "Bearer abc" });
  };
  await check(() => {});
  await check((_request, response) => {
    response.writeHead(200, JSON_TYPE);
    response.write('{"access_token":');
  });
});

test("a peer's refusal of the token makes a new one", async (context) => {
  const { authenticator, headers, clock, status } = await running(context, [
    GRANTED,
    granting({ access_token: "def" }),
  ]);
  const first = await headers();
  await clock.advance(60_000);
  assert.equal(await authenticator.renew(first), true);
  assert.deepEqual(await headers(), { authorization: "Bearer def" });
  assert.equal(status()?.state, "ok");
});

test("a secret in a file is the one that it holds when a token is asked for", async (context) => {
  const file = join(testFolder(context), "secret");
  writeFileSync(file, "old\n");
  const refusal = answering(400, JSON_TYPE, '{"error":"invalid_client"}');
  const { extension, server, headers } = await running(context, [refusal, refusal, GRANTED], {
    client_secret_file: file,
  });
  await assert.rejects(headers(), /invalid_client/);
  writeFileSync(file, "new\n");
  await extension.refresh?.();
  assert.deepEqual(await headers(), { authorization: "Bearer abc" }, "at once: the failure may be over");
  assert.equal(server.requests[2]?.headers.authorization, basic("me:new"));
});

test("a token endpoint is trusted by its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  const pem = (name: string): Buffer => readFileSync(authority.file(name));
  const tls = { cert: pem("server.crt"), key: pem("server.key") };
  const server = await startPushServer(context, { tls, answers: [GRANTED] });
  const config = { client_id: "me", client_secret: "s", token_url: `${server.url}/token` };
  const start = (more: object) =>
    runningAuthenticator(context, factory, { id: "oauth2client", config: { ...config, ...more } });
  const known = await start({ tls: { ca_file: authority.file("ca.crt") } });
  assert.deepEqual(await known.headers(), { authorization: "Bearer abc" });
  await assert.rejects((await start({})).headers(), /^Error: cannot get a token from ".*": .*certificate/);
  await assert.rejects(start({ tls: { ca_file: "/nowhere" } }), /cannot read tls::ca_file/);
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const full = { client_id: "a", client_secret: "b", token_url: "https://idp.test/token", ...input };
  const [issue] = factory.schema.safeParse(full).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("what is missing or not supported is a fault", () => {
  check({ endpoint_params: { audience: ["a", "b"] }, grant_type: "client_credentials" }, undefined);
  check({ client_id: undefined }, "client_id: is required, or client_id_file");
  check({ client_secret: undefined }, "client_secret: is required, or client_secret_file");
  check({ client_secret: undefined, client_secret_file: "/f" }, undefined);
  check(
    { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" },
    "grant_type: only client_credentials is supported",
  );
  check({ iss: "me" }, "iss: is not supported; tokens are asked for with the client's id and secret only");
});
