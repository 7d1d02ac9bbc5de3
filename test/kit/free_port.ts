// SPDX-License-Identifier: Apache-2.0
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Linux gives the ports above these to outgoing connections, so that one of them may be taken before the test uses it. */
const PORTS = { from: 10_240, to: 32_768 };

/** Returns a port of the loopback address that is free now, and that the kernel gives to no outgoing connection. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
