import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** Gives each sandbox a URL, `/<id>`, for scrapers that know no unix sockets; in a process whose CPU nobody counts. */
export interface Front {
  readonly port: number;
  readonly ids: readonly string[];
}

// A socket's whole path may be longer than the kernel takes.
process.chdir(process.argv[2] ?? "");
const server = createServer((incoming, response) => {
  const socketPath = join(incoming.url?.slice(1) ?? "", "shim-monitor.sock");
  const asked = request({ socketPath, path: "/metrics" }, (page) => {
    response.writeHead(page.statusCode ?? 502, { "Content-Type": "text/plain; version=0.0.4" });
    page.pipe(response);
  });
  asked.on("error", () => response.writeHead(502).end());
  asked.end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
process.on("disconnect", () => process.exit());
const front: Front = { port: (server.address() as AddressInfo).port, ids: readdirSync(".") };
process.send?.(front);
