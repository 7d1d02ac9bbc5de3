// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** The ports at which the sandboxes of a root can be scraped over TCP. */
export interface PageFront {
  readonly ports: readonly number[];
}

/** Serves a shim's page over TCP, for scrapers without unix sockets. It is a process of its own, whose CPU is not counted. */
async function serve(socketPath: string): Promise<number> {
  const server = createServer((_incoming, response) => {
    const asked = request({ socketPath, path: "/metrics" }, (page) => {
      response.writeHead(page.statusCode ?? 502, { "Content-Type": "text/plain; version=0.0.4" });
      page.pipe(response);
    });
    asked.on("error", () => response.destroy());
    asked.end();
  });
  // The connections must last from one scrape to the next.
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

// A socket's absolute path may be longer than a socket address can hold.
process.chdir(process.argv[2] ?? ".");
const sockets = readdirSync(".").map((id) => join(id, "shim-monitor.sock"));
process.on("disconnect", () => process.exit());
const front: PageFront = { ports: await Promise.all(sockets.map(serve)) };
process.send?.(front);
