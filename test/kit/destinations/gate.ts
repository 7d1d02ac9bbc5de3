// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../free_port.ts";

/** The way in which the gate treats TCP connections. */
export type Passage =
  | "open"
  /** It does not listen, and closes all connections. */
  | "closed"
  /** It accepts connections and lets no bytes through. */
  | "stalled"
  /** It lets bytes through in small pieces. */
  | "slow"
  /** It resets a connection after some bytes to the server, at any place in a request. */
  | "cutting"
  /** Like "cutting", with the bytes from the server. */
  | "cutting_answers"
  /** After some bytes, it ends its sending direction to the agent (FIN) and goes on reading. */
  | "half_closing";

export interface Gate {
  /** `127.0.0.1:port`, the same for the gate's whole life. */
  readonly endpoint: string;
  /** Changes what the gate does, and closes all open connections. */
  set(passage: Passage): Promise<void>;
  close(): Promise<void>;
}

const SLOW_PIECE_BYTES = 4_096;
const SLOW_PAUSE_MS = 20;
/** The largest number of bytes before a connection is cut: several compressed requests. */
const CUT_BYTES_MAX = 60_000;
/** The same for answers, which are small. */
const CUT_ANSWER_BYTES_MAX = 600;

/** Starts a gate in front of the server at `target`. It is open at first. */
export async function startGate(target: string, random: () => number): Promise<Gate> {
  const gate = new TcpGate({ targetPort: portOf(target), port: await freePort(), random });
  await gate.set("open");
  return gate;
}

function portOf(endpoint: string): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
}

interface GateOptions {
  readonly targetPort: number;
  readonly port: number;
  readonly random: () => number;
}

class TcpGate implements Gate {
  readonly endpoint: string;
  readonly #options: GateOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #passage: Passage = "closed";

  constructor(options: GateOptions) {
    this.#options = options;
    this.endpoint = `127.0.0.1:${options.port}`;
  }

  async set(passage: Passage): Promise<void> {
    this.#passage = passage;
    // A connection that was opened under the old rules must not continue.
    for (const socket of this.#sockets) socket.destroy();
    if (passage === "closed") await this.#stopListening();
    else if (this.#server === undefined) await this.#listen();
  }

  async close(): Promise<void> {
    await this.set("closed");
  }

  async #listen(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#admit(client));
    this.#server.listen(this.#options.port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    await once(server, "close");
  }

  #admit(client: Socket): void {
    const upstream = connect({
      port: this.#options.targetPort,
      host: "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.on("end", () => {
        if (!other.writableEnded) other.end();
      });
    }
    if (this.#passage === "stalled") return;
    this.#forwardBack(client, upstream);
    if (this.#passage === "slow") dribble(client, upstream);
    else this.#forward(client, upstream);
  }

  #forwardBack(client: Socket, upstream: Socket): void {
    let left =
      this.#passage === "cutting_answers"
        ? Math.ceil(this.#options.random() * CUT_ANSWER_BYTES_MAX)
        : Number.POSITIVE_INFINITY;
    upstream.on("data", (bytes: Buffer) => {
      if (client.writableEnded || left === 0) return;
      const passed = bytes.subarray(0, left);
      left -= passed.length;
      if (left > 0) client.write(passed);
      else cutAfter(client, passed);
    });
  }

  #forward(client: Socket, upstream: Socket): void {
    const passage = this.#passage;
    let left = Math.ceil(this.#options.random() * CUT_BYTES_MAX);
    client.on("data", (bytes) => {
      if (passage === "cutting" && bytes.length >= left) {
        upstream.write(bytes.subarray(0, left));
        client.resetAndDestroy();
        return;
      }
      upstream.write(bytes);
      left -= bytes.length;
      if (passage === "half_closing" && left <= 0 && !client.writableEnded) client.end();
    });
  }
}

/** Sends these bytes and then resets the connection. */
function cutAfter(socket: Socket, bytes: Buffer): void {
  socket.write(bytes, () => socket.resetAndDestroy());
}

function dribble(from: Socket, to: Socket): void {
  from.on("data", async (bytes) => {
    from.pause();
    for (let at = 0; at < bytes.length && !to.destroyed; at += SLOW_PIECE_BYTES) {
      to.write(bytes.subarray(at, at + SLOW_PIECE_BYTES));
      await new Promise((resolve) => setTimeout(resolve, SLOW_PAUSE_MS));
    }
    from.resume();
  });
}
