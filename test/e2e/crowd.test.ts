// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Crowd,
  type CrowdTarget,
  clientHello,
  crowdOfConnections,
  floodOfConnections,
  floodOnConnections,
} from "../kit/crowd.ts";
import { startCrowdedNode } from "../kit/node/crowded_node.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const HONEST = "127.0.0.1";
const HOSTILE = "127.0.0.2";
/** How often the crowds must have acted before the honest clients come, unless a test says otherwise. */
const CROWD = 1_000;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

test("crowds and floods do not keep a puller or a probe from its answer, even from the crowd's own address", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { ports, own, misses, node } = await startCrowdedNode(context);
  const fares = async (
    name: string,
    crowd: Crowd,
    { least = CROWD, addresses = [HONEST, HOSTILE] } = {},
  ): Promise<void> => assert.deepEqual(await misses([crowd], { least, addresses }), [], `beside ${name}`);
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
  // Above the rate, every client of the same address must wait.
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
  // The clients of one address share the limit of simultaneous pulls.
  await fares("pulls", flood(ports.page, get("/metrics")), { addresses: [HONEST] });
  const page = await own();
  assert.match(page, /kata_collector_listener_closed_connections\S*reason="evicted"/);
  assert.match(page, /kata_collector_listener_refused_requests\S*reason="rate"/);
  assert.match(node.agent.stderr(), /"address":"127\.0\.0\.2".*Listener turns clients away/);
});
