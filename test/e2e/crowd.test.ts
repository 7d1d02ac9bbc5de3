import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get as getPlain, type IncomingMessage } from "node:http";
import { get as getTls } from "node:https";
import { type TestContext, test } from "node:test";
import { freePort } from "./agent_process.ts";
import { createTestAuthority } from "./certificates.ts";
import {
  type Crowd,
  type CrowdTarget,
  clientHello,
  crowdOfConnections,
  floodOfConnections,
  floodOnConnections,
} from "./crowd.ts";
import { type AgentConfigObject, startNode } from "./node.ts";
import { hasProgram, peerIsThere } from "./peers.ts";
import { poll } from "./poll.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const HONEST = "127.0.0.1";
const HOSTILE = "127.0.0.2";
/** How often an honest client comes, and how often it must get what it came for. */
const TIMES = 20;
/** A crowd is one when it has done so much, if not said otherwise. */
const CROWD = 1_000;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** An agent with a page, a page by TLS and health checks, and what honest clients get of it. */
async function scene(context: TestContext) {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("agent", "IP:127.0.0.1");
  const ca = readFileSync(authority.file("ca.crt"));
  const [tlsPort, healthPort, ownPort] = [await freePort(), await freePort(), await freePort()];
  const node = await startNode({
    simulator: { sandboxes: 5, flavor: "go" },
    configure(config: AgentConfigObject) {
      const tls = { cert_file: authority.file("agent.crt"), key_file: authority.file("agent.key") };
      config.exporters["prometheus/tls"] = { endpoint: `127.0.0.1:${tlsPort}`, tls };
      config.service.pipelines["metrics"]?.["exporters"]?.push("prometheus/tls");
      Object.assign(config, { extensions: { health_check: { endpoint: `127.0.0.1:${healthPort}` } } });
      Object.assign(config.service, { extensions: ["health_check"] });
      const own = { pull: { exporter: { prometheus: { host: "127.0.0.1", port: ownPort } } } };
      config.service.telemetry = { metrics: { readers: [own] }, logs: { encoding: "json" } };
    },
  });
  context.after(() => node.close());
  const pagePort = Number(node.listenAddress.split(":")[1]);
  const ask = async (url: string, localAddress: string): Promise<string> => {
    const isTls = url.startsWith("https:");
    const request = (isTls ? getTls : getPlain)(url, { agent: false, localAddress, ca });
    try {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      let bytes = 0;
      for await (const chunk of response) bytes += (chunk as Buffer).length;
      return bytes === 0 ? "nothing" : String(response.statusCode);
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  };
  const urls = {
    page: `http://127.0.0.1:${pagePort}/metrics`,
    tls: `https://127.0.0.1:${tlsPort}/metrics`,
    live: `http://127.0.0.1:${healthPort}/live`,
  };
  return {
    node,
    ports: { page: pagePort, tls: tlsPort, health: healthPort },
    own: () => fetch(`http://127.0.0.1:${ownPort}/metrics`).then((response) => response.text()),
    /** Asserts that a puller and a probe of these addresses get all that they ask for while the crowd does its worst. */
    async fares(
      name: string,
      crowd: Crowd,
      { least = CROWD, addresses = [HONEST, HOSTILE] } = {},
    ): Promise<void> {
      try {
        await poll("the crowd to be there", () => crowd.count >= least || undefined);
        for (const from of addresses) {
          for (const [what, url] of Object.entries(urls)) {
            const answers: string[] = [];
            for (let i = 0; i < TIMES; i++) answers.push(await ask(url, from));
            assert.deepEqual(answers, Array(TIMES).fill("200"), `${what} for ${from} beside ${name}`);
          }
        }
      } finally {
        crowd.stop();
      }
    },
  };
}

test("crowds and floods cost a puller and a probe nothing, even those of the crowd's own address", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ports, own, fares, node } = await scene(context);
  const at = (port: number): CrowdTarget => ({ port, from: HOSTILE });
  const flood = (port: number, request: string): Crowd =>
    floodOnConnections(at(port), { perSecond: 2_000, connections: 8, request });
  const hello = await clientHello();
  for (const [name, port] of Object.entries(ports)) {
    await fares(`silent connections to ${name}`, crowdOfConnections(at(port), 500, ""));
    await fares(`half requests to ${name}`, crowdOfConnections(at(port), 500, "GET /metrics HTTP/1.1\r\n"));
  }
  for (const port of [ports.page, ports.health])
    await fares(`idle connections to ${port}`, crowdOfConnections(at(port), 500, get("/x")));
  await fares("half handshakes", crowdOfConnections(at(ports.tls), 20, hello), { least: 60 });
  // Past the rate, whoever shares the address shares the wait.
  await fares("many half handshakes", crowdOfConnections(at(ports.tls), 300, hello), { addresses: [HONEST] });
  for (const port of [ports.page, ports.health]) {
    await fares(`unknown paths at ${port}`, flood(port, get("/x")));
    await fares(`wrong methods at ${port}`, flood(port, get("/metrics").replace("GET", "POST")));
    await fares(
      `a connection for each unknown path at ${port}`,
      floodOfConnections(at(port), 500, get("/x")),
    );
  }
  await fares("health checks", flood(ports.health, get("/live")));
  await fares("pulls", flood(ports.page, get("/metrics")));
  const page = await own();
  assert.match(page, /kata_collector_listener_closed_connections\S*reason="evicted"/);
  assert.match(page, /kata_collector_listener_refused_requests\S*reason="rate"/);
  assert.match(node.agent.stderr(), /"address":"127\.0\.0\.2".*Listener turns clients away/);
});
