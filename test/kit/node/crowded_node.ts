// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get as getPlain, type IncomingMessage } from "node:http";
import { get as getTls } from "node:https";
import { createTestAuthority } from "../certificates.ts";
import type { Closing } from "../closing.ts";
import type { Crowd } from "../crowd.ts";
import { freePort } from "../free_port.ts";
import { poll } from "../poll.ts";
import { pullReader } from "./agent_process.ts";
import { type AgentConfigObject, type SimulatedNode, startNode } from "./simulated_node.ts";

/** The number of requests of an honest client, each of which must be answered. */
const TIMES = 20;
const SANDBOXES = 5;

export interface CrowdedNode {
  readonly node: SimulatedNode;
  /** The ports of the page, of the page with TLS, and of the health checks. */
  readonly ports: { readonly page: number; readonly tls: number; readonly health: number };
  /** Pulls the agent's own metrics. */
  own(): Promise<string>;
  /**
   * Waits until the crowds have acted `least` times together, and then asks, from each of the addresses, for the page with
   * all sandboxes, for the same with TLS, and for the liveness. Returns the requests that were not answered so, and stops
   * the crowds.
   */
  misses(
    crowds: readonly Crowd[],
    options: { readonly least: number; readonly addresses: readonly string[] },
  ): Promise<string[]>;
}

/** Starts an agent with a page, a page with TLS and health checks, for tests of what honest clients get in a crowd. */
export async function startCrowdedNode(context: Closing): Promise<CrowdedNode> {
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("agent", "IP:127.0.0.1");
  const ca = readFileSync(authority.file("ca.crt"));
  const [tlsPort, healthPort, ownPort] = [await freePort(), await freePort(), await freePort()];
  const node = await startNode({
    simulator: { sandboxes: SANDBOXES, flavor: "go" },
    configure(config: AgentConfigObject) {
      const tls = { cert_file: authority.file("agent.crt"), key_file: authority.file("agent.key") };
      config.exporters["prometheus/tls"] = { endpoint: `127.0.0.1:${tlsPort}`, tls };
      config.service.pipelines["metrics"]?.["exporters"]?.push("prometheus/tls");
      Object.assign(config, { extensions: { health_check: { endpoint: `127.0.0.1:${healthPort}` } } });
      Object.assign(config.service, { extensions: ["health_check"] });
      const own = pullReader(ownPort);
      config.service.telemetry = { metrics: { readers: [own] }, logs: { encoding: "json" } };
    },
  });
  context.after(() => node.close());
  const pagePort = Number(node.listenAddress.split(":")[1]);
  /** Returns the status of a complete answer and the number of sandboxes that are up on the page, or the error's code. */
  const ask = async (url: string, localAddress: string): Promise<string> => {
    const isTls = url.startsWith("https:");
    const request = (isTls ? getTls : getPlain)(url, { agent: false, localAddress, ca });
    try {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const body = Buffer.concat(await response.toArray()).toString();
      const up = body.match(/^kata_collector_sandbox_up\{.* 1$/gm)?.length ?? 0;
      return `${response.statusCode} ${url.endsWith("/live") ? "" : up}`.trim();
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  };
  const urls = {
    page: `http://127.0.0.1:${pagePort}/metrics`,
    tls: `https://127.0.0.1:${tlsPort}/metrics`,
    live: `http://127.0.0.1:${healthPort}/live`,
  };
  const wanted = (url: string): string => (url.endsWith("/live") ? "200" : `200 ${SANDBOXES}`);
  await poll("all sandboxes to be on both pages", async () => {
    const answers = await Promise.all([urls.page, urls.tls].map((url) => ask(url, "127.0.0.1")));
    return answers.every((answer) => answer === `200 ${SANDBOXES}`) || undefined;
  });
  return {
    node,
    ports: { page: pagePort, tls: tlsPort, health: healthPort },
    own: () => fetch(`http://127.0.0.1:${ownPort}/metrics`).then((response) => response.text()),
    async misses(crowds, { least, addresses }) {
      const missed: string[] = [];
      try {
        const done = (): number => crowds.reduce((sum, { count }) => sum + count, 0);
        await poll("the crowd to be there", () => done() >= least || undefined);
        for (const from of addresses) {
          for (const [what, url] of Object.entries(urls)) {
            for (let i = 0; i < TIMES; i++) {
              const answer = await ask(url, from);
              if (answer !== wanted(url)) missed.push(`${what} for ${from}: ${answer}`);
            }
          }
        }
      } finally {
        for (const crowd of crowds) crowd.stop();
      }
      return missed;
    },
  };
}
