// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../kit/free_port.ts";
import { hasProgram } from "../kit/peers.ts";
import { type Prometheus, startPrometheus } from "../kit/prometheus.ts";
import { type PulledPage, pull } from "../kit/pulled_page.ts";

/** Returns promtool's error on the page; undefined where it accepts the page or is not installed. */
export async function promtoolFault(page: string): Promise<string | undefined> {
  if (!hasProgram("promtool")) return undefined;
  const promtool = spawn("promtool", ["check", "metrics"], { stdio: ["pipe", "ignore", "pipe"] });
  promtool.stdin.on("error", () => {}); // It may have read enough.
  promtool.stdin.end(page);
  const [errors, [code]] = await Promise.all([text(promtool.stderr), once(promtool, "close")]);
  // With 3 only its linter has remarks, as on Kata's names; with 1 it cannot read the page.
  const isTaken = (code === 0 || code === 3) && !errors.includes("error while linting");
  return isTaken ? undefined : `promtool exits with ${code}: ${errors.slice(0, 1_000)}`;
}

/** A Prometheus server that scrapes the agent, in both formats by turns, through a relay that keeps the pages. */
export interface ScrapingPrometheus {
  /** Returns the errors of scrapes since the last call, except for deadlines. */
  takeErrors(): readonly string[];
  /** The last pages that the server got. */
  readonly pages: readonly PulledPage[];
  /** The number of pages that the server has got. */
  readonly pulls: number;
  readonly server: Prometheus;
  close(): Promise<void>;
}

const KEPT_PAGES = 4;
const LOOK_MS = 200;

export async function startScrapingPrometheus(
  agentAddress: string,
  limits: Readonly<Record<string, number | string>>,
): Promise<ScrapingPrometheus> {
  const relay = new Relay(agentAddress);
  const address = await relay.listen();
  const server = await startPrometheus(address, [], { limits });
  const errors = new Set<string>();
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const { lastError } = await server.target();
      // The deadline of a scrape is a second, which a busy machine may exceed.
      if (lastError !== "" && !/deadline exceeded|Timeout/i.test(lastError)) errors.add(lastError);
      await sleep(LOOK_MS);
    }
  };
  const watching = watch();
  return {
    takeErrors() {
      const taken = [...errors];
      errors.clear();
      return taken;
    },
    get pages() {
      return relay.pages;
    },
    get pulls() {
      return relay.pulls;
    },
    server,
    async close() {
      ending.abort();
      await watching;
      await server.close();
      await relay.close();
    },
  };
}

class Relay {
  readonly pages: PulledPage[] = [];
  pulls = 0;
  readonly #agentAddress: string;
  readonly #server: Server;

  constructor(agentAddress: string) {
    this.#agentAddress = agentAddress;
    this.#server = createServer(async (_request, response) => {
      const page = await pull(this.#agentAddress, this.pulls++ % 2 === 0 ? "openmetrics" : "text").catch(
        () => undefined,
      );
      if (page === undefined) {
        response.writeHead(502).end();
        return;
      }
      this.pages.push(page);
      if (this.pages.length > KEPT_PAGES) this.pages.shift();
      response.writeHead(page.status, { "content-type": page.contentType }).end(page.body);
    });
  }

  async listen(): Promise<string> {
    const port = await freePort();
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
