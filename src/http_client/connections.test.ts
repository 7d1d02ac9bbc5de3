// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { z } from "zod";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { startPushServer } from "../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { createHost } from "../pipeline/host.ts";
import { connectHttp } from "./client.ts";
import { httpClientOptions, toHttpClientConfig } from "./config.ts";
import { parsePushUrl } from "./url.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const schema = z.strictObject(httpClientOptions).transform(toHttpClientConfig);

/** A client with the certificate "one" and a server that answers with the name in it, at once or when the test says so. */
async function scene(context: TestContext) {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  const { file } = authority;
  authority.issue("server", "IP:127.0.0.1");
  for (const name of ["one", "two"]) authority.issue(name, `DNS:${name}.test`);
  const give = (name: string, suffix: "crt" | "key"): void =>
    copyFileSync(file(`${name}.${suffix}`), file(`client.${suffix}`));
  give("one", "crt");
  give("one", "key");

  const held: (() => void)[] = [];
  let holds = false;
  const tls = {
    cert: readFileSync(file("server.crt")),
    key: readFileSync(file("server.key")),
    ca: readFileSync(file("ca.crt")),
    requestCert: true,
  };
  const answer = ({ socket }: { socket: unknown }, response: ServerResponse): void => {
    const end = (): void => {
      response.end(String((socket as TLSSocket).getPeerCertificate().subject.CN));
    };
    if (holds) held.push(end);
    else end();
  };
  const server = await startPushServer(context, { tls, answers: [answer] });
  const url = parsePushUrl(server.url);
  assert.ok(typeof url !== "string");
  const clock = new FakeClock(Date.now());
  const host = createHost(clock);
  host.statuses.report("exporter", "out", "ok");
  const client = await connectHttp({
    url,
    timeoutMs: 5_000,
    config: schema.parse({
      tls: {
        ca_file: file("ca.crt"),
        cert_file: file("client.crt"),
        key_file: file("client.key"),
        reload_interval: "1m",
      },
    }),
    protocol: {
      headers: {},
      isOwn: () => true,
      accepted: ({ body }) => ({ rejectedPoints: 0, message: body.toString() }),
      reasonOf: () => "",
    },
    settings: testSettings({ id: "out", clock, host }),
  });
  context.after(() => client.close());
  return {
    ...{ client, clock, file, give, server },
    state: () => host.statuses.components()[0]?.state,
    /** The name of the client that the server sees. */
    async post(): Promise<string> {
      const outcome = await client.post(new Uint8Array(), new AbortController().signal);
      return outcome.kind === "delivered" ? outcome.message : outcome.error;
    },
    hold(yes: boolean): void {
      holds = yes;
      if (!yes) for (const end of held.splice(0)) end();
    },
    held: () => held.length,
  };
}

test("running requests end on the old connection, new ones use the new certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { post, give, hold, held, server, client } = await scene(context);
  hold(true);
  const early = post();
  await poll("the request", () => held() === 1 || undefined);
  give("two", "crt");
  give("two", "key");
  await client.refresh();
  const late = post();
  await poll("the other request", () => held() === 2 || undefined);
  hold(false);
  assert.deepEqual(await Promise.all([early, late]), ["one", "two"]);
  await poll("the old connection to end", () => server.sockets.size === 1 || undefined);
  client.close();
  await poll("all connections to end", () => server.sockets.size === 0 || undefined);
});

test("the files are read again at reload_interval", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { post, give, clock } = await scene(context);
  give("two", "crt");
  give("two", "key");
  assert.equal(await post(), "one");
  await clock.advance(60_000);
  await poll("the new certificate", async () => (await post()) === "two" || undefined);
});

test("half of a new pair is not used, and the old pair stays until the other half comes", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { post, give, client, clock, state } = await scene(context);
  give("two", "crt");
  await assert.rejects(client.refresh(), /^Error: cannot use tls::key_file ".*": it is not the key of/);
  assert.equal(await post(), "one");
  assert.equal(state(), "recoverable_error");
  give("two", "key");
  await poll("the status", async () => {
    await clock.advance(10_000);
    return state() === "ok" || undefined;
  });
  assert.equal(await post(), "two");
});

test("files that have not changed leave the connections as they are", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { post, client, server, file } = await scene(context);
  assert.equal(await post(), "one");
  writeFileSync(file("client.crt"), readFileSync(file("client.crt")));
  await client.refresh();
  assert.equal(await post(), "one");
  assert.equal(server.connections(), 1);
});
