// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ShortPath, shortSocketPath } from "../../../src/sockets/short_path.ts";

/** An answer to one request. */
export interface HostileAnswer {
  /** The name of what is wrong with the HTTP; "none" for an answer that has the whole page. */
  readonly trick: string;
  /** The bytes, written piece by piece with a pause of 2 ms between the pieces. */
  readonly pieces: readonly Buffer[];
  /** Then the connection is closed ("end"), kept open ("silence"), or reset without waiting for unsent bytes ("cut"). */
  readonly afterwards: "end" | "silence" | "cut";
}

export interface HostileShimOptions {
  /** The directory of all sandboxes of the flavor. */
  readonly root: string;
  readonly id: string;
  readonly flavor: "go" | "rs";
}

const PAUSE_MS = 2;
const END_OF_HEAD = "\r\n\r\n";

/** A sandbox's directory with the shim's socket, which answers every request with the bytes that the test gives. */
export class HostileShim {
  readonly id: string;
  readonly directory: string;
  /** The number of requests since the last call of `serve`. */
  requests = 0;
  #answer: (request: number) => HostileAnswer = () => ({ trick: "none", pieces: [], afterwards: "end" });
  readonly #server: Server;
  readonly #flavor: "go" | "rs";
  #path: ShortPath | undefined;
  readonly #connections = new Set<Socket>();

  constructor({ root, id, flavor }: HostileShimOptions) {
    this.id = id;
    this.directory = join(root, id);
    this.#flavor = flavor;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Sets the answers from now on: `answer` gets the request's number, which begins at 0 again. */
  serve(answer: (request: number) => HostileAnswer): void {
    this.#answer = answer;
    this.requests = 0;
  }

  async start(): Promise<void> {
    const isGo = this.#flavor === "go";
    await mkdir(this.directory, { mode: isGo ? 0o700 : 0o755 });
    if (isGo) await writeFile(join(this.directory, "persist.json"), "{}", { mode: 0o600 });
    const socketPath = join(this.directory, "shim-monitor.sock");
    this.#path = await shortSocketPath(socketPath);
    this.#server.listen(this.#path.path);
    await once(this.#server, "listening");
    await chmod(socketPath, isGo ? 0o600 : 0o755);
    // It is written last, as runtime-rs does: from then on the agent may send requests.
    if (!isGo) await writeFile(join(this.directory, "state.json"), this.#state());
  }

  #state(): string {
    return JSON.stringify({
      sandbox_type: "virtcontainer",
      hypervisor: { hypervisor_type: "dragonball", id: this.id },
    });
  }

  /** Ends the sandbox in the order in which a runtime removes a pod: first the directory, then the shim. */
  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
    for (const socket of this.#connections) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
    await this.#path?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!text.includes(END_OF_HEAD)) return;
      text = "";
      void write(socket, this.#answer(this.requests++));
    });
  }
}

async function write(socket: Socket, { pieces, afterwards }: HostileAnswer): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await sleep(PAUSE_MS);
    if (socket.destroyed) return;
    socket.write(piece);
  }
  if (afterwards === "end") socket.end();
  else if (afterwards === "cut") socket.destroy();
}
