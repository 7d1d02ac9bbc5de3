// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { ServerCredentials, status } from "@grpc/grpc-js";
import type { Exporter } from "../../src/component/component.ts";
import type { ExporterFactory, ExtensionFactory } from "../../src/component/factory.ts";
import type { Host } from "../../src/component/host.ts";
import { factory as grpc } from "../../src/exporters/otlp_grpc/factory.ts";
import { factory as http } from "../../src/exporters/otlp_http/factory.ts";
import { factory as remoteWrite } from "../../src/exporters/prometheus_remote_write/factory.ts";
import { factory as basicauth } from "../../src/extensions/basicauth/factory.ts";
import { factory as bearertokenauth } from "../../src/extensions/bearertokenauth/factory.ts";
import { factory as headersSetter } from "../../src/extensions/headers_setter/factory.ts";
import { factory as oauth2client } from "../../src/extensions/oauth2client/factory.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { createTestAuthority } from "../kit/certificates.ts";
import { type RunningAuthenticator, runningAuthenticator } from "../kit/component/authenticator.ts";
import { gaugeReading, runningExporter } from "../kit/component/exporter.ts";
import { lineOf } from "../kit/component/logs.ts";
import { type Answer, OK, startOtlpServer } from "../kit/destinations/otlp_server.ts";
import { answering, type HttpAnswer, startPushServer } from "../kit/destinations/push_server.ts";
import { mountedSecrets } from "../kit/mounted_secrets.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";

/** A peer that accepts requests with one value of the header `authorization` only. */
interface Peer {
  /** The options of an exporter that pushes to the peer. */
  readonly config: { readonly endpoint: string };
  accepted: string;
  /** The header `authorization` of each request, also of refused ones. */
  readonly got: (string | undefined)[];
}

async function httpPeer(context: TestContext, accepted: string): Promise<Peer> {
  const peer = { accepted, got: [] as (string | undefined)[] };
  const answer: HttpAnswer = (request, response) => {
    const { authorization } = request.headers;
    peer.got.push(authorization);
    answering(authorization === peer.accepted ? 200 : 401)(request, response);
  };
  const { url } = await startPushServer(context, { answers: [answer] });
  return Object.assign(peer, { config: { endpoint: url } });
}

async function grpcPeer(context: TestContext, accepted: string, tls?: TestTls): Promise<Peer> {
  const peer = { accepted, got: [] as (string | undefined)[] };
  const answer: Answer = (call, reply) => {
    const [header] = call.metadata.get("authorization");
    peer.got.push(header?.toString());
    if (header === peer.accepted) OK(call, reply);
    else reply({ code: status.UNAUTHENTICATED, details: "who are you" });
  };
  const server = await startOtlpServer({
    answers: [answer],
    ...(tls === undefined ? {} : { credentials: tls.credentials }),
  });
  context.after(() => server.close());
  return Object.assign(peer, {
    config: { endpoint: server.endpoint, tls: tls?.client ?? { insecure: true } },
  });
}

interface TestTls {
  readonly credentials: ServerCredentials;
  readonly client: object;
}

function testTls(context: TestContext): TestTls {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  const [cert, key] = ["server.crt", "server.key"].map((name) => readFileSync(authority.file(name)));
  assert.ok(cert !== undefined && key !== undefined);
  const credentials = ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]);
  return { credentials, client: { ca_file: authority.file("ca.crt") } };
}

/** Starts an authenticator with this config on a host from which exporters get it. */
function credentials<C>(
  context: TestContext,
  factory: ExtensionFactory<C>,
  config: object,
): Promise<RunningAuthenticator> {
  return runningAuthenticator(context, factory, { id: "auth", config });
}

/** Starts an exporter that pushes to the peer with the authenticator of the host. */
type Start = (context: TestContext, host: Host, peer: Peer) => Promise<Exporter>;

const starting =
  <C>(factory: ExporterFactory<C>): Start =>
  async (context, host, { config }) => {
    const options = { id: "out", host, config: { ...config, auth } };
    return (await runningExporter(context, factory, options)).exporter;
  };

const auth = { authenticator: "auth" };
const startHttp = starting(http);
const startGrpc = starting(grpc);
const BASIC = `Basic ${Buffer.from("me:secret").toString("base64")}`;

async function takes(exporter: Exporter, peer: Peer, want: readonly string[]): Promise<void> {
  exporter.consume(gaugeReading(`s${peer.got.length}`, [1]));
  await poll(`${want.length} requests`, () => (peer.got.length >= want.length ? true : undefined));
  assert.deepEqual(peer.got, want);
}

test("every exporter that pushes has the credentials of its authenticator, over plain text and TLS", async (context) => {
  const { host } = await credentials(context, basicauth, {
    client_auth: { username: "me", password: "secret" },
  });
  for (const start of [startHttp, starting(remoteWrite)]) {
    const peer = await httpPeer(context, BASIC);
    await takes(await start(context, host, peer), peer, [BASIC]);
  }
  const plain = await grpcPeer(context, BASIC);
  await takes(await startGrpc(context, host, plain), plain, [BASIC]);
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const secured = await grpcPeer(context, BASIC, testTls(context));
  await takes(await startGrpc(context, host, secured), secured, [BASIC]);
});

test("a token file that changes is used at once, and is read again when its token is refused", async (context) => {
  const { file, exchange } = mountedSecrets(context, ["token"]);
  exchange({ token: "one" });
  const { host, headers } = await credentials(context, bearertokenauth, { filename: file("token") });
  const [first, second] = [await httpPeer(context, "Bearer one"), await grpcPeer(context, "Bearer one")];
  const exporters = [await startHttp(context, host, first), await startGrpc(context, host, second)] as const;
  await takes(exporters[0], first, ["Bearer one"]);
  await takes(exporters[1], second, ["Bearer one"]);
  exchange({ token: "two" });
  first.accepted = second.accepted = "Bearer two";
  await poll("the token", async () =>
    (await headers())["authorization"] === "Bearer two" ? true : undefined,
  );
  await takes(exporters[0], first, ["Bearer one", "Bearer two"]);
  await takes(exporters[1], second, ["Bearer one", "Bearer two"]);
});

test("a peer that no longer takes a token gets the request once more, with another", async (context) => {
  let issued = 0;
  const grant: HttpAnswer = (request, response) => {
    const token = JSON.stringify({ access_token: `t${++issued}`, expires_in: 3_600 });
    answering(200, { "content-type": "application/json" }, token)(request, response);
  };
  for (const [startPeer, start] of [
    [httpPeer, startHttp],
    [grpcPeer, startGrpc],
  ] as const) {
    issued = 0;
    const idp = await startPushServer(context, { answers: [grant] });
    const config = { client_id: "me", client_secret: "secret", token_url: idp.url };
    const { host, clock } = await credentials(context, oauth2client, config);
    const peer = await startPeer(context, "Bearer t1");
    const exporter = await start(context, host, peer);
    await takes(exporter, peer, ["Bearer t1"]);
    peer.accepted = "Bearer t2";
    await clock.advance(60_000);
    await takes(exporter, peer, ["Bearer t1", "Bearer t1", "Bearer t2"]);
    assert.equal(issued, 2);
  }
});

test("without credentials nothing is sent, and the request waits", async (context) => {
  const idp = await startPushServer(context, {
    answers: [answering(503), answering(200, {}, '{"access_token":"t1"}')],
  });
  const config = { client_id: "me", client_secret: "secret", token_url: idp.url };
  const { host, clock } = await credentials(context, oauth2client, config);
  const peer = await httpPeer(context, "Bearer t1");
  const { exporter, lines } = await runningExporter(context, http, {
    id: "out",
    host,
    config: { ...peer.config, auth },
  });
  exporter.consume(gaugeReading("s1", [1]));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(
    line["error"],
    `${peer.config.endpoint}/v1/metrics: cannot get a token from "${idp.url}/": 503 Service Unavailable`,
  );
  assert.deepEqual(peer.got, []);
  await clock.advance(1_000);
  await poll("the request", () => (peer.got.length > 0 ? true : undefined));
  assert.deepEqual(peer.got, ["Bearer t1"]);
});

test("the headers of headers_setter and of its additional_auth arrive together", async (context) => {
  const { host } = await credentials(context, bearertokenauth, { token: "abc" });
  await runningAuthenticator(context, headersSetter, {
    id: "setter",
    host,
    config: { headers: [{ key: "X-Scope-OrgID", value: "nodes" }], additional_auth: "auth" },
  });
  const server = await startPushServer(context);
  const { exporter } = await runningExporter(context, http, {
    id: "out",
    host,
    config: { endpoint: server.url, auth: { authenticator: "setter" } },
  });
  exporter.consume(gaugeReading("s1", [1]));
  const request = await poll("the request", () => server.requests[0]);
  assert.partialDeepStrictEqual(request.headers, { authorization: "Bearer abc", "x-scope-orgid": "nodes" });
});

test("an exporter does not start without its authenticator", async (context) => {
  const host = createHost();
  const config = { endpoint: "http://127.0.0.1:1", auth };
  await assert.rejects(
    runningExporter(context, http, { id: "out", host, config }),
    /^Error: authenticator "auth" is not in service::extensions$/,
  );
});
