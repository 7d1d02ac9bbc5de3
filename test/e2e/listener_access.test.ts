// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { hashSync } from "bcryptjs";
import { createTestAuthority } from "../kit/certificates.ts";
import { freePort } from "../kit/free_port.ts";
import { mountedSecrets } from "../kit/mounted_secrets.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { startPrometheus } from "../kit/prometheus.ts";
import { CHROMIUM, startBrowser } from "./chromium.ts";

/** Starts an agent that serves its page without protection and, at other addresses, with each kind of credentials. */
async function guardedNode(context: TestContext) {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  authority.issue("puller", "DNS:puller.test");
  const other = createTestAuthority();
  context.after(() => other.remove());
  other.issue("stranger", "DNS:stranger.test");
  const secrets = mountedSecrets(context, ["htpasswd", "tokens"]);
  secrets.exchange({ htpasswd: `puller:${hashSync("right", 6)}`, tokens: "old\ngood\n" });
  const at = async () => `127.0.0.1:${await freePort()}`;
  const pages = { basic: await at(), bearer: await at(), certificate: await at(), health: await at() };
  const where = { ...pages, own: await at(), ownCertificate: await at() };
  const tls = {
    cert_file: authority.file("server.crt"),
    key_file: authority.file("server.key"),
    client_ca_file: authority.file("ca.crt"),
  };
  const node = await startNode({
    configure(config) {
      const pages = {
        "prometheus/basic": {
          endpoint: where.basic,
          auth: { authenticator: "basicauth/server" },
          // The rate is so high that a flood is refused for its credentials and not for the rate.
          limits: { requests_per_second: 1_000_000, connections: 10_000 },
        },
        "prometheus/bearer": { endpoint: where.bearer, auth: { authenticator: "bearertokenauth" } },
        "prometheus/certificate": { endpoint: where.certificate, tls },
      };
      Object.assign(config.exporters, pages);
      config.service.pipelines["metrics"]?.["exporters"]?.push(...Object.keys(pages));
      const extensions = {
        "basicauth/server": { htpasswd: { file: secrets.file("htpasswd") } },
        bearertokenauth: { filename: secrets.file("tokens") },
        health_check: { endpoint: where.health, reload: true },
      };
      Object.assign(config, { extensions });
      const own = (address: string, more: object) => {
        const [host, port] = address.split(":");
        return { pull: { exporter: { prometheus: { host, port: Number(port), ...more } } } };
      };
      const readers = [
        own(where.own, { auth: { authenticator: "basicauth/server" } }),
        own(where.ownCertificate, { tls }),
      ];
      config.service.telemetry = { metrics: { readers } };
      Object.assign(config.service, { extensions: Object.keys(extensions) });
    },
  });
  context.after(() => node.close());
  return { node, where, secrets, authority, other };
}

/** Makes a scrape config, with a job of its own, for one set of options. */
const job = (job_name: string, target: string, options: object) => ({
  job_name,
  ...options,
  static_configs: [{ targets: [target] }],
});

test("a real Prometheus pulls with each kind of credentials, and gets nothing with wrong ones", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const { node, where, authority, other } = await guardedNode(context);
  const ca_file = authority.file("ca.crt");
  const shown = ({ file }: typeof authority, name: string) => ({
    scheme: "https",
    tls_config: { ca_file, cert_file: file(`${name}.crt`), key_file: file(`${name}.key`) },
  });
  const basic = (password: string) => ({ basic_auth: { username: "puller", password } });
  const bearer = (credentials: string) => ({ authorization: { credentials } });
  const good = [
    job("basic", where.basic, basic("right")),
    job("bearer", where.bearer, bearer("good")),
    job("certificate", where.certificate, shown(authority, "puller")),
  ];
  const own = [
    job("own_basic", where.own, basic("right")),
    job("own_certificate", where.ownCertificate, shown(authority, "puller")),
  ];
  const bad: readonly (readonly [error: RegExp, scrape: ReturnType<typeof job>])[] = [
    [/401 Unauthorized/, job("basic_none", where.basic, {})],
    [/401 Unauthorized/, job("basic_other", where.basic, bearer("good"))],
    [/401 Unauthorized|429 Too Many/, job("basic_wrong", where.basic, basic("wrong"))],
    [/401 Unauthorized/, job("bearer_none", where.bearer, {})],
    [/401 Unauthorized/, job("bearer_wrong", where.bearer, bearer("goo"))],
    [
      /403 Forbidden/,
      job("certificate_none", where.certificate, { scheme: "https", tls_config: { ca_file } }),
    ],
    [/403 Forbidden/, job("certificate_stranger", where.certificate, shown(other, "stranger"))],
    [/EOF|reset/, job("certificate_clear", where.certificate, {})],
    [/401 Unauthorized/, job("own_none", where.own, {})],
    [/403 Forbidden/, job("own_stranger", where.ownCertificate, shown(other, "stranger"))],
  ];
  const scrapes = [...good, ...own, ...bad.map(([, scrape]) => scrape)];
  const prometheus = await startPrometheus(node.listenAddress, [], { scrapes });
  context.after(() => prometheus.close());
  for (const { job_name } of good)
    await poll(`sandboxes by ${job_name}`, async () => {
      const up = await prometheus.query(`kata_collector_sandbox_up{job="${job_name}"} == 1`);
      return up.length === node.simulator.sandboxes.size || undefined;
    });
  for (const { job_name } of own)
    await poll(`the agent's own metrics by ${job_name}`, async () => {
      const own = await prometheus.query(`otelcol_process_memory_rss{job="${job_name}"}`);
      return own.length === 1 || undefined;
    });
  for (const [error, { job_name }] of bad) {
    const { lastError } = await poll(`an end of ${job_name}`, async () => {
      const target = await prometheus.target(job_name);
      return target.health === "down" ? target : undefined;
    });
    assert.match(lastError, error, job_name);
    assert.deepEqual(await prometheus.query(`{job="${job_name}",__name__=~"(kata|otelcol)_.+"}`), []);
  }
});

/** Returns the answer of an address: status, headers and text. */
function ask(address: string, path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    challenge: string;
    text: string;
  }>();
  request(`http://${address}${path}`, { method, headers }, (response) => {
    const challenge = response.headers["www-authenticate"] ?? "";
    response
      .toArray()
      .then(
        (chunks) =>
          resolve({ status: response.statusCode ?? 0, challenge, text: Buffer.concat(chunks).toString() }),
        reject,
      );
  })
    .on("error", reject)
    .end();
  return promise;
}

const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

test("a client without credentials learns which ones are needed but not whether a path exists; changed secrets are used", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const { node, where, secrets } = await guardedNode(context);
  for (const path of ["/", "/metrics", "/nothing"]) {
    const { status, challenge, text } = await ask(where.basic, path);
    assert.equal(status, 401);
    assert.match(challenge, /^Basic realm=/);
    assert.doesNotMatch(text, /kata_/);
  }
  assert.match((await ask(where.bearer, "/metrics")).challenge, /^Bearer realm=/);
  const until = (address: string, headers: Readonly<Record<string, string>>, want: number) =>
    poll(
      `${want} at ${address}`,
      async () => (await ask(address, "/metrics", headers)).status === want || undefined,
    );
  await until(where.basic, basic("puller:right"), 200);
  await until(where.bearer, { authorization: "Bearer old" }, 200);
  secrets.exchange({ htpasswd: `puller:${hashSync("new", 6)}`, tokens: "good\nnew\n" });
  await until(where.basic, basic("puller:new"), 200);
  await until(where.basic, basic("puller:right"), 401);
  await until(where.bearer, { authorization: "Bearer new" }, 200);
  await until(where.bearer, { authorization: "Bearer old" }, 401);
  assert.doesNotMatch(node.agent.stderr(), /\$2[aby]\$|puller|"new"/, "no secret is in the log");
});

/** The number of clients that try passwords at the same time. */
const GUESSERS = 50;

test("a flood of wrong passwords does not keep clients with the right one from the page", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const { where } = await guardedNode(context);
  const known = basic("puller:right");
  assert.equal((await ask(where.basic, "/metrics", known)).status, 200);
  // These are fewer than the connections that an address may have; crowd.test.ts has more.
  const guess = async (_: unknown, first: number): Promise<number[]> => {
    const statuses: number[] = [];
    for (let at = first; at < 500; at += GUESSERS)
      statuses.push((await ask(where.basic, "/metrics", basic(`puller:wrong ${at}`))).status);
    return statuses;
  };
  const wrong = Array.from({ length: GUESSERS }, guess);
  for (let pull = 0; pull < 20; pull++) {
    const { status, text } = await ask(where.basic, "/metrics", known);
    assert.equal(status, 200);
    assert.match(text, /^kata_/m);
  }
  const statuses = (await Promise.all(wrong)).flat();
  assert.deepEqual([...new Set(statuses)].sort(), [401, 429]);
  // The agent compares one password of a peer at a time, so far fewer than were sent.
  assert.ok(statuses.filter((status) => status === 429).length > 400, `${statuses}`);
});

test("Prometheus accepts the example of a config for protected listeners", (context) => {
  if (!peerIsThere(context, "promtool", hasProgram("promtool"))) return;
  const path = join(import.meta.dirname, "../../examples/prometheus-secured.yml");
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "config", "--syntax-only", path], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
});

/** Returns whether the agent has reloaded since its start. */
async function hasReloaded(health: string): Promise<boolean> {
  return (await ask(health, "/status?verbose")).text.includes('"reloaded"');
}

test("no web page in a real browser can make the agent reload, or read from it by DNS rebinding", async (context) => {
  if (!peerIsThere(context, CHROMIUM, hasProgram(CHROMIUM))) return;
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const { where, node } = await guardedNode(context);
  const evil = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>evil</title><iframe name=frame></iframe>");
  }).listen(0, "127.0.0.1");
  context.after(() => evil.close());
  await poll("the page's server", () => evil.listening || undefined);
  const { port } = evil.address() as { readonly port: number };
  const browser = await startBrowser("--host-resolver-rules=MAP evil.example 127.0.0.1");
  try {
    const page = await browser.open(`http://evil.example:${port}/`, { width: 800 });
    const reload = where.health.replace("127.0.0.1", "evil.example");
    // The page tries `fetch` and a form, with the agent's address and with a name of that address.
    await page.evaluate(`void (async () => {
      for (const host of ["${where.health}", "${reload}"]) {
        await fetch("http://" + host + "/-/reload", { method: "POST", mode: "no-cors" }).catch(() => {});
        const form = document.createElement("form");
        Object.assign(form, { method: "POST", action: "http://" + host + "/-/reload", target: "frame" });
        document.body.append(form);
        const loaded = new Promise((resolve) => document.querySelector("iframe").addEventListener("load", resolve, { once: true }));
        form.submit();
        await loaded;
      }
      document.title = "done";
    })()`);
    await poll(
      "the page to have tried",
      async () => (await page.evaluate("document.title")) === "done" || undefined,
    );
    assert.equal(await hasReloaded(where.health), false);
    // The page's own host name now has the agent's address (DNS rebinding).
    const rebound = await browser.open(
      `http://${node.listenAddress.replace("127.0.0.1", "evil.example")}/metrics`,
      {
        width: 800,
      },
    );
    const text = await rebound.evaluate<string>("document.body.innerText");
    assert.match(text, /this host is not served here/);
    assert.doesNotMatch(text, /kata_/);
  } finally {
    await browser.close();
  }
  assert.equal((await ask(where.health, "/-/reload", {}, "POST")).status, 200);
  assert.equal(await hasReloaded(where.health), true, "so that it can be seen where it happens");
});
