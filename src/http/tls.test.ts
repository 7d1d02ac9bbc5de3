import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { hasProgram, peerIsThere } from "../../test/e2e/peers.ts";
import { poll } from "../../test/e2e/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { defaultServerLimits } from "./config.ts";
import { answerText, HttpServer } from "./server.ts";
import type { TlsConfig } from "./tls.ts";

interface Tls {
  readonly server: HttpServer;
  readonly clock: FakeClock;
  readonly errors: Error[];
  file(name: string): string;
  /** Writes a self-signed certificate of this name, and its key. */
  issue(name: string): void;
  /** The name in the certificate that the server shows, and the first line of its answer. */
  ask(options?: ConnectionOptions): Promise<{ name: string; status: string }>;
}

async function serve(context: TestContext, change: Partial<TlsConfig> = {}): Promise<Tls> {
  const folder = mkdtempSync(join(tmpdir(), "prometheus-tls-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string): string => join(folder, name);
  const issue = (name: string): void => {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const files = ["-keyout", file("tls.key"), "-out", file("tls.crt")];
    execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", "-subj", `/CN=${name}`, ...files], {
      stdio: "ignore",
    });
  };
  issue("first");
  const clock = new FakeClock();
  const errors: Error[] = [];
  const server = new HttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: {
      certFile: file("tls.crt"),
      keyFile: file("tls.key"),
      clientCaFile: undefined,
      minVersion: "TLSv1.3",
      reloadIntervalMs: 60_000,
      ciphers: undefined,
      ...("clientCaFile" in change ? { clientCaFile: file("tls.crt") } : {}),
    },
    route: () => async (_request, response) => answerText(response, 200, "hello"),
    limits: defaultServerLimits,
    clock,
    onError: (error) => errors.push(error),
  });
  context.after(() => server.close(AbortSignal.abort()));
  await server.listen();
  const { address } = server;
  assert.ok("port" in address);
  return {
    server,
    clock,
    errors,
    file,
    issue,
    async ask(options = {}) {
      const socket = connect({
        host: "127.0.0.1",
        port: address.port,
        rejectUnauthorized: false,
        ...options,
      });
      await once(socket, "secureConnect");
      const name = String(socket.getPeerCertificate().subject.CN);
      socket.end("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
      let text = "";
      for await (const chunk of socket) text += String(chunk);
      return { name, status: text.split("\r\n", 1)[0] ?? "" };
    },
  };
}

const HAS_OPENSSL = hasProgram("openssl", "version");
const OK = "HTTP/1.1 200 OK";

test("the page is served over TLS, with the certificate that the files hold now", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, issue, file, clock, errors } = await serve(context);
  assert.deepEqual(await ask(), { name: "first", status: OK });

  issue("second");
  await clock.advance(60_000);
  await poll("the second certificate", async () => ((await ask()).name === "second" ? true : undefined));

  writeFileSync(file("tls.crt"), "broken");
  await clock.advance(60_000);
  await poll("the failure to load", () => errors[0]);
  assert.match(errors[0]?.message ?? "", /^the old certificate stays in use: /);
  assert.equal((await ask()).name, "second");

  issue("third");
  await poll("the third certificate", async () => {
    await clock.advance(60_000);
    return (await ask()).name === "third" ? true : undefined;
  });
});

test("a certificate that has changed is served from a refresh on, and one that is spoilt leaves the old", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { server, issue, ask, file } = await serve(context);
  assert.equal((await ask()).name, "first");
  issue("second");
  await server.refresh();
  assert.equal((await ask()).name, "second");
  writeFileSync(file("tls.crt"), "spoilt");
  await assert.rejects(server.refresh());
  assert.equal((await ask()).name, "second");
});

test("with a client authority, a client must show its certificate", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ask, file } = await serve(context, { clientCaFile: "" });
  const identity = { cert: readFileSync(file("tls.crt")), key: readFileSync(file("tls.key")) };
  assert.deepEqual(await ask(identity), { name: "first", status: OK });
  await assert.rejects(ask(), /certificate required|ECONNRESET/);
});

test("a listener without its files says which one it misses", async (context) => {
  const server = new HttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: {
      certFile: "/nowhere/tls.crt",
      keyFile: "/nowhere/tls.key",
      clientCaFile: undefined,
      minVersion: "TLSv1.2",
      reloadIntervalMs: 0,
      ciphers: undefined,
    },
    route: () => undefined,
    limits: defaultServerLimits,
    clock: new FakeClock(),
    onError: () => {},
  });
  context.after(() => server.close(AbortSignal.abort()));
  await assert.rejects(
    server.listen(),
    /^Error: cannot listen on 127\.0\.0\.1:0: cannot read "\/nowhere\/tls\.(crt|key)": ENOENT/,
  );
});
