import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { hasProgram, peerIsThere } from "../../test/e2e/peers.ts";
import { poll } from "../../test/e2e/poll.ts";
import { recordedLogger } from "../../test/scenes/logs.ts";
import { testSettings } from "../../test/scenes/settings.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { createHost } from "../pipeline/host.ts";
import { defaultServerTimeouts, serverTls } from "./config.ts";
import { answerText } from "./server.ts";
import { ANY_SERVING } from "./serving.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const OK = "HTTP/1.1 200 OK";

/** A listener's certificate and key, and the authority of its clients, in files that tests write. */
function files(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "listener-tls-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string): string => join(folder, name);
  return {
    file,
    /** Writes a self-signed certificate of this name, and its key. */
    issue(name: string): void {
      const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
      const out = ["-keyout", file("tls.key"), "-out", file("tls.crt")];
      execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", "-subj", `/CN=${name}`, ...out], {
        stdio: "ignore",
      });
    },
    identity: () => ({ cert: readFileSync(file("tls.crt")), key: readFileSync(file("tls.key")) }),
  };
}

/** A listener with the certificate "first", and what is asked of it. */
async function serve(context: TestContext, { asksClients = false, listenHost = "127.0.0.1" } = {}) {
  const { file, issue, identity } = files(context);
  issue("first");
  if (asksClients) copyFileSync(file("tls.crt"), file("clients.crt"));
  const clock = new FakeClock(Date.now());
  const host = createHost(clock);
  host.statuses.report("exporter", "page", "ok");
  const { logger, lines } = recordedLogger();
  const claim = host.listeners.claim({
    owner: { kind: "exporter", settings: testSettings({ id: "page", clock, host, logger }) },
    address: { host: listenHost, port: 0 },
    serving: {
      ...ANY_SERVING,
      timeouts: { ...defaultServerTimeouts, readMs: 600_000 },
      tls: serverTls.parse({
        cert_file: file("tls.crt"),
        key_file: file("tls.key"),
        min_version: "1.3",
        reload_interval: "1m",
        ...(asksClients ? { client_ca_file: file("clients.crt") } : {}),
      }),
    },
    routes: new Map([["/", async (_request, response) => answerText(response, 200, "hello")]]),
    rank: 0,
  });
  context.after(() => claim.close(AbortSignal.abort()));
  await claim.listen();
  const open = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    assert.ok("port" in claim.address);
    const { port } = claim.address;
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    await once(socket, "secureConnect");
    return socket;
  };
  return {
    ...{ claim, clock, lines, file, issue, identity, open },
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
  const { claim, ask } = await serve(context, { listenHost: "localhost" });
  const hosts = claim.endpoint.includes("[::1]") ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
  for (const host of hosts) assert.deepEqual(await ask({ host }), { name: "first", status: OK }, host);
});

test("a certificate that is no good leaves the old in use and the component unwell, until a good one comes", async (context) => {
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

test("a refresh reads the files at once, and rejects where they are no good", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { claim, issue, ask, file } = await serve(context);
  issue("second");
  await claim.refresh();
  assert.equal((await ask()).name, "second");
  writeFileSync(file("tls.crt"), "spoilt");
  await assert.rejects(
    claim.refresh(),
    /cannot use tls::cert_file ".*tls\.crt": there is no certificate in it/,
  );
  assert.equal((await ask()).name, "second");
});

test("with a client authority, a client must show its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, identity } = await serve(context, { asksClients: true });
  assert.deepEqual(await ask(identity()), { name: "first", status: OK });
  await assert.rejects(ask(), /certificate required|ECONNRESET/);
});

test("an empty client authority is not taken for the system's, and an exchanged one ends old sessions", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { claim, ask, open, issue, file, identity } = await serve(context, { asksClients: true });
  const first = identity();
  const socket = await open(first);
  const [session] = (await Promise.all([once(socket, "session"), get(socket)]))[0] as [Buffer];

  writeFileSync(file("clients.crt"), "");
  await assert.rejects(
    claim.refresh(),
    /cannot use tls::client_ca_file ".*clients\.crt": there is no certificate/,
  );
  const resumed = await open({ ...first, session });
  assert.ok(resumed.isSessionReused(), "so that the session is one that can be gone on with");
  assert.equal(await get(resumed), OK);

  issue("second");
  copyFileSync(file("tls.crt"), file("clients.crt"));
  await claim.refresh();
  assert.deepEqual(await ask(identity()), { name: "second", status: OK });
  // The server hangs up, which may be known to the client before or after it has asked.
  const { status } = await ask({ ...first, session }).catch(() => ({ status: "" }));
  assert.equal(status, "");
});

test("a listener without its files says which one it misses", async (context) => {
  const { logger } = recordedLogger();
  const claim = createHost().listeners.claim({
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
  context.after(() => claim.close(AbortSignal.abort()));
  await assert.rejects(
    claim.listen(),
    /^Error: cannot read tls::(cert|key)_file "\/nowhere\/tls\.(crt|key)": ENOENT/,
  );
});
