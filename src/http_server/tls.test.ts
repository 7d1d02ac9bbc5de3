// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect, getCiphers, type TLSSocket } from "node:tls";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { createHost } from "../pipeline/host.ts";
import { defaultServerTimeouts, serverTls } from "./config.ts";
import { LISTENERS } from "./listeners.ts";
import { answerText } from "./server.ts";
import { ANY_SERVING } from "./serving.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const OK = "HTTP/1.1 200 OK";
const FORBIDDEN = "HTTP/1.1 403 Forbidden";

/** Options of `openssl req` that make a key. */
const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA_KEY = ["-newkey", "rsa:2048"];

/** A listener's certificate and key, and the authority of its clients, in files that tests write. */
function files(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "listener-tls-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string): string => join(folder, name);
  return {
    file,
    /** Writes a self-signed certificate of this name, and its key. */
    issue(name: string, key = EC_KEY): void {
      const out = ["-keyout", file("tls.key"), "-out", file("tls.crt")];
      const about = ["-nodes", "-days", "2", "-subj", `/CN=${name}`];
      execFileSync("openssl", ["req", "-x509", ...key, ...about, ...out], { stdio: "ignore" });
    },
    identity: () => ({ cert: readFileSync(file("tls.crt")), key: readFileSync(file("tls.key")) }),
  };
}

interface ServeOptions {
  readonly asksClients?: boolean;
  readonly listenHost?: string;
  readonly key?: string[];
  readonly tls?: object;
}

/** A listener with the certificate "first", and what is asked of it. */
async function serve(context: TestContext, options: ServeOptions = {}) {
  const { asksClients = false, listenHost = "127.0.0.1", key, tls = { min_version: "1.3" } } = options;
  const { file, issue, identity } = files(context);
  issue("first", key);
  if (asksClients) copyFileSync(file("tls.crt"), file("clients.crt"));
  const clock = new FakeClock(Date.now());
  const host = createHost(clock);
  host.statuses.report("exporter", "page", "ok");
  const { logger, lines } = recordedLogger();
  const share = host.single(LISTENERS).share({
    owner: { kind: "exporter", settings: testSettings({ id: "page", clock, host, logger }) },
    address: { host: listenHost, port: 0 },
    serving: {
      ...ANY_SERVING,
      timeouts: { ...defaultServerTimeouts, readMs: 600_000 },
      tls: serverTls.parse({
        cert_file: file("tls.crt"),
        key_file: file("tls.key"),
        ...tls,
        reload_interval: "1m",
        ...(asksClients ? { client_ca_file: file("clients.crt") } : {}),
      }),
    },
    routes: new Map([["/", async (_request, response) => answerText(response, 200, "hello")]]),
    rank: 0,
  });
  context.after(() => share.close(AbortSignal.abort()));
  await share.listen();
  const open = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    assert.ok("port" in share.address);
    const { port } = share.address;
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    await once(socket, "secureConnect");
    return socket;
  };
  return {
    ...{ share, clock, lines, file, issue, identity, open },
    status: () => host.statuses.components()[0],
    /** The name in the certificate that the server shows, and the first line of its answer. */
    async ask(options: ConnectionOptions = {}): Promise<{ name: string; status: string }> {
      const socket = await open(options);
      const name = String(socket.getPeerCertificate().subject.CN);
      return { name, status: await get(socket) };
    },
  };
}

/** Asks for the page, and takes the first line of the answer; the server closes the connection. */
async function get(socket: TLSSocket): Promise<string> {
  socket.end("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text.split("\r\n", 1)[0] ?? "";
}

test("new connections get the certificate that the files hold now; those that are open go on", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, open, issue, clock } = await serve(context);
  assert.deepEqual(await ask(), { name: "first", status: OK });
  const early = await open();
  issue("second");
  await clock.advance(60_000);
  await poll("the second certificate", async () => (await ask()).name === "second" || undefined);
  assert.equal(await get(early), OK);
});

test("every address of localhost is secured", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { share, ask } = await serve(context, { listenHost: "localhost" });
  const hosts = share.endpoint.includes("[::1]") ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
  for (const host of hosts) assert.deepEqual(await ask({ host }), { name: "first", status: OK }, host);
});

test("a certificate that cannot be used leaves the old one in use and an error in the status, until a good one comes", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, issue, file, identity, clock, status } = await serve(context);
  const { key } = identity();
  issue("second");
  const next = identity();
  writeFileSync(file("tls.key"), key);
  await clock.advance(60_000);
  await poll("the status", () => status()?.state === "recoverable_error" || undefined);
  assert.match(
    status()?.error ?? "",
    /^cannot use tls::key_file ".*tls\.key": it is not the key of tls::cert_file/,
  );
  assert.equal((await ask()).name, "first");

  writeFileSync(file("tls.key"), next.key);
  await poll("the second certificate", async () => {
    await clock.advance(10_000);
    return (await ask()).name === "second" || undefined;
  });
  await poll("the status", () => status()?.state === "ok" || undefined);
});

test("a refresh reads the files at once, and rejects where they cannot be used", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { share, issue, ask, file } = await serve(context);
  issue("second");
  await share.refresh();
  assert.equal((await ask()).name, "second");
  writeFileSync(file("tls.crt"), "spoilt");
  await assert.rejects(
    share.refresh(),
    /cannot use tls::cert_file ".*tls\.crt": there is no certificate in it/,
  );
  assert.equal((await ask()).name, "second");
});

test("with a client authority, a client must show its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, identity } = await serve(context, { asksClients: true });
  assert.deepEqual(await ask(identity()), { name: "first", status: OK });
  assert.deepEqual(await ask(), { name: "first", status: FORBIDDEN });
});

test("a client with no certificate, or one of another authority, is told why it is refused", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { open, identity, issue } = await serve(context, { asksClients: true });
  issue("stranger");
  for (const [shown, reason] of [
    [identity(), /the client's certificate is refused: DEPTH_ZERO_SELF_SIGNED_CERT\n$/],
    [{}, /a client certificate is needed\n$/],
  ] as const) {
    const socket = await open(shown);
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const answer = Buffer.concat(await socket.toArray()).toString();
    assert.match(answer, /^HTTP\/1\.1 403 /);
    assert.match(answer, reason);
    assert.doesNotMatch(answer, /hello/);
  }
});

test("a resumed session does not admit a client that was refused", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { open, identity, issue } = await serve(context, { asksClients: true, tls: {} });
  const owner = identity();
  issue("stranger");
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const [shown, want] of [
      [{}, FORBIDDEN],
      [identity(), FORBIDDEN],
      [owner, OK],
    ] as const) {
      const first = await open({ ...shown, maxVersion });
      let session: Buffer | undefined = first.getSession();
      // In TLS 1.3, the session that can be resumed comes with the answer.
      first.on("session", (later: Buffer) => {
        session = later;
      });
      await get(first);
      assert.ok(session !== undefined);
      // Nothing is shown the second time.
      const second = await open({ maxVersion, session });
      assert.ok(second.isSessionReused(), `a session of ${maxVersion} that can be gone on with`);
      assert.equal(await get(second), want);
    }
  }
});

test("an empty client authority does not mean the system's, and a new one ends old sessions", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { share, ask, open, issue, file, identity } = await serve(context, { asksClients: true });
  const first = identity();
  const socket = await open(first);
  const [session] = (await Promise.all([once(socket, "session"), get(socket)]))[0] as [Buffer];

  writeFileSync(file("clients.crt"), "");
  await assert.rejects(
    share.refresh(),
    /cannot use tls::client_ca_file ".*clients\.crt": there is no certificate/,
  );
  const resumed = await open({ ...first, session });
  assert.ok(resumed.isSessionReused(), "so that the session is one that can be gone on with");
  assert.equal(await get(resumed), OK);

  issue("second");
  copyFileSync(file("tls.crt"), file("clients.crt"));
  await share.refresh();
  assert.deepEqual(await ask(identity()), { name: "second", status: OK });
  assert.equal((await ask({ ...first, session })).status, FORBIDDEN);
});

/** The suites of TLS 1.2, by OpenSSL's names, that the listener speaks with a client which offers one at a time. */
async function spokenSuites({ open }: Awaited<ReturnType<typeof serve>>): Promise<readonly string[]> {
  const spoken: string[] = [];
  for (const name of getCiphers().filter((one) => !/^tls_|psk|srp/.test(one))) {
    const ciphers = `${name.toUpperCase()}:@SECLEVEL=0`;
    const socket = await open({ maxVersion: "TLSv1.2", ciphers }).catch(() => undefined);
    if (socket === undefined) continue;
    spoken.push(socket.getCipher().name);
    socket.destroy();
  }
  return spoken;
}

test("where no suites are named, those with forward secrecy are spoken and no others", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const spoken = await spokenSuites(await serve(context, { key: RSA_KEY, tls: {} }));
  assert.deepEqual(
    spoken.filter((name) => !name.startsWith("ECDHE-")),
    [],
  );
  assert.ok(spoken.includes("ECDHE-RSA-AES128-GCM-SHA256"), "what every client has is among them");
});

test("suites without forward secrecy are spoken where they are named", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const tls = { cipher_suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"] };
  assert.deepEqual(await spokenSuites(await serve(context, { key: RSA_KEY, tls })), ["AES128-SHA"]);
});

test("keys are agreed on in the groups that curve_preferences names", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { open } = await serve(context, { tls: { curve_preferences: ["P384", "X25519"] } });
  const groupOf = async (ecdhCurve: string): Promise<string | undefined> => {
    const socket = await open({ ecdhCurve });
    const { name } = socket.getEphemeralKeyInfo() as { readonly name?: string };
    socket.destroy();
    return name;
  };
  assert.equal(await groupOf("P-256:P-384"), "secp384r1");
  assert.equal(await groupOf("X25519"), "X25519");
  await assert.rejects(groupOf("P-256"), /handshake failure/);
});

test("a listener without its files says which one is missing", async (context) => {
  const { logger } = recordedLogger();
  const share = createHost()
    .single(LISTENERS)
    .share({
      owner: { kind: "exporter", settings: testSettings({ logger }) },
      address: { host: "127.0.0.1", port: 0 },
      serving: {
        ...ANY_SERVING,
        timeouts: { ...defaultServerTimeouts, readMs: 600_000 },
        tls: serverTls.parse({ cert_file: "/nowhere/tls.crt", key_file: "/nowhere/tls.key" }),
      },
      routes: new Map(),
      rank: 0,
    });
  context.after(() => share.close(AbortSignal.abort()));
  await assert.rejects(
    share.listen(),
    /^Error: cannot read tls::(cert|key)_file "\/nowhere\/tls\.(crt|key)": ENOENT/,
  );
});
