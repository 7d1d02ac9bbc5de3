// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { after, before, type TestContext, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createTestAuthority, type TestAuthority } from "../../../test/kit/certificates.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { type Answer, type OtlpServer, startOtlpServer } from "../../../test/kit/destinations/otlp_server.ts";
import { hasProgram, peerIsThere } from "../../../test/kit/peers.ts";
import { poll } from "../../../test/kit/poll.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { createHost } from "../../pipeline/host.ts";
import { otlpGrpcSchema } from "./config.ts";
import { openOtlpGrpc } from "./transport.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let server: OtlpServer | undefined;
let mutual: OtlpServer | undefined;

let authority: TestAuthority | undefined;
const file = (name: string): string => authority?.file(name) ?? "";

before(async () => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  authority.issue("server", "DNS:otel.test");
  authority.issue("client", "DNS:agent.test");
  const pair = {
    cert_chain: readFileSync(file("server.crt")),
    private_key: readFileSync(file("server.key")),
  };
  server = await startOtlpServer({ credentials: ServerCredentials.createSsl(null, [pair], false) });
  const ca = readFileSync(file("ca.crt"));
  mutual = await startOtlpServer({ credentials: ServerCredentials.createSsl(ca, [pair], true) });
});

after(() => {
  server?.close();
  mutual?.close();
  authority?.remove();
});

/** One attempt with these options; the outcome's kind and error. */
async function attempt(to: OtlpServer | undefined, input: object): Promise<string> {
  assert.ok(to !== undefined);
  const config = otlpGrpcSchema.parse({
    endpoint: to.endpoint,
    tls: input,
    balancer_name: "pick_first",
  });
  const client = await openOtlpGrpc(config, testSettings());
  try {
    const outcome = await client.send({ parts: [], points: 0, bytes: 0 }, new AbortController().signal);
    return outcome.kind === "delivered" ? "delivered" : `${outcome.kind}: ${outcome.error}`;
  } finally {
    client.close();
  }
}

test("a server with a certificate of the named authority, for the right name, is trusted", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const server_name_override = "otel.test";
  assert.equal(await attempt(server, { ca_file: file("ca.crt"), server_name_override }), "delivered");
  const ca_pem = readFileSync(file("ca.crt"), "utf8");
  assert.equal(await attempt(server, { ca_pem, server_name_override, min_version: "1.3" }), "delivered");
  const both = { ca_pem, server_name_override, include_system_ca_certs_pool: true };
  assert.equal(await attempt(server, both), "delivered");
});

test("an unknown authority or a wrong name is refused, unless verification is off", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const server_name_override = "otel.test";
  assert.match(await attempt(server, { server_name_override }), /^busy: \S+: UNAVAILABLE: .*certificate/);
  const wrong = { ca_file: file("ca.crt"), server_name_override: "other.test" };
  assert.match(await attempt(server, wrong), /^busy: \S+: UNAVAILABLE: .*altnames/);
  assert.equal(await attempt(server, { insecure_skip_verify: true }), "delivered");
});

test("a server that wants a client certificate gets it", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const base = { ca_file: file("ca.crt"), server_name_override: "otel.test" };
  assert.match(await attempt(mutual, base), /^busy: \S+: UNAVAILABLE/);
  const files = { cert_file: file("client.crt"), key_file: file("client.key") };
  assert.equal(await attempt(mutual, { ...base, ...files }), "delivered");
  const pem = {
    cert_pem: readFileSync(file("client.crt"), "utf8"),
    key_pem: readFileSync(file("client.key"), "utf8"),
  };
  assert.equal(await attempt(mutual, { ...base, ...pem }), "delivered");
});

/** A connection with the certificate "one" to a server that keeps whom it saw, and answers at once or when it is told to. */
async function rotating(context: TestContext) {
  for (const name of ["one", "two"]) authority?.issue(name, `DNS:${name}.test`);
  const give = (name: string, suffix: "crt" | "key"): void =>
    copyFileSync(file(`${name}.${suffix}`), file(`rotated.${suffix}`));
  give("one", "crt");
  give("one", "key");
  const seen: unknown[] = [];
  const held: (() => void)[] = [];
  let holds = false;
  const answer: Answer = (call, reply) => {
    seen.push(call.getAuthContext()?.sslPeerCertificate?.subject.CN);
    const end = (): void => reply(null, Buffer.alloc(0));
    if (holds) held.push(end);
    else end();
  };
  const pair = {
    cert_chain: readFileSync(file("server.crt")),
    private_key: readFileSync(file("server.key")),
  };
  const serverCredentials = ServerCredentials.createSsl(readFileSync(file("ca.crt")), [pair], true);
  const peer = await startOtlpServer({ credentials: serverCredentials, answers: [answer] });
  context.after(() => peer.close());
  const clock = new FakeClock(Date.now());
  const host = createHost(clock);
  host.statuses.report("exporter", "out", "ok");
  const tls = {
    ...{ ca_file: file("ca.crt"), cert_file: file("rotated.crt"), key_file: file("rotated.key") },
    ...{ server_name_override: "otel.test", reload_interval: "1m" },
  };
  const config = otlpGrpcSchema.parse({ endpoint: peer.endpoint, tls, timeout: "20s" });
  const connection = await openOtlpGrpc(config, testSettings({ id: "out", clock, host }));
  context.after(() => connection.close());
  return {
    ...{ connection, clock, give, seen },
    state: () => host.statuses.components()[0]?.state,
    async send(): Promise<string> {
      return (await connection.send({ parts: [], points: 0, bytes: 0 }, new AbortController().signal)).kind;
    },
    hold(yes: boolean): void {
      holds = yes;
      if (!yes) for (const end of held.splice(0)) end();
    },
  };
}

test("a request on its way ends on the old connection, the next goes out with the new certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { connection, give, seen, hold, send } = await rotating(context);
  hold(true);
  const early = send();
  await poll("the request", () => seen.length === 1 || undefined);
  give("two", "crt");
  give("two", "key");
  await connection.refresh();
  const late = send();
  await poll("the other request", () => seen.length === 2 || undefined);
  hold(false);
  assert.deepEqual(await Promise.all([early, late]), ["delivered", "delivered"]);
  assert.deepEqual(seen, ["one", "two"]);
});

test("the files are read again at reload_interval, and half of a new pair is not taken", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { give, seen, send, clock, state } = await rotating(context);
  assert.equal(await send(), "delivered");
  give("two", "crt");
  await clock.advance(60_000);
  await poll("the status", () => state() === "recoverable_error" || undefined);
  assert.equal(await send(), "delivered");
  give("two", "key");
  await poll("the status", async () => {
    await clock.advance(10_000);
    return state() === "ok" || undefined;
  });
  assert.equal(await send(), "delivered");
  assert.deepEqual(seen, ["one", "one", "two"]);
});
