// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmod, link, rename, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type ShortPath, shortSocketPath } from "../sockets/short_path.ts";
import { cutShort, dribble, flood } from "./bad_answers.ts";
import { GARBAGE, HOSTILE_LINES, newFamilies } from "./bad_pages.ts";
import { GUEST_CONDITIONS } from "./guest_condition.ts";
import type { NumberStyle } from "./number_text.ts";
import type { SimulatedPage } from "./pages.ts";
import {
  HEAD_BYTES_MAX,
  OK,
  renderResponse,
  type ShimRequest,
  type ShimResponse,
  takeRequests,
} from "./shim_http.ts";

/** Faults of a shim or its guest, with what each means. They can be set and removed at any time. */
export const SHIM_FAULTS: Readonly<Record<ShimFault, string>> = {
  none: "nothing is wrong",
  hang: "takes requests and never answers",
  slow: "answers in small pieces: a page takes half a minute",
  slow_shim: "answers whole, and so late that the agent nearly gives up (--answer-delay)",
  refuse: "leaves its socket's file behind, and nobody listens",
  close: "closes connections without a word",
  cut: "stops in the middle of a line",
  error500: "answers with 500 Internal Server Error",
  notfound: "answers with 404 Not Found",
  huge: "serves a page without end",
  garbage: "serves bytes that are no page",
  no_agent: "serves the shim's own part only, since the guest's agent does not answer",
  hostile: "serves a guest that forges, redefines and makes noise",
  churning: "serves families that no page had before, on every page",
  abort: "ends at the first scrape, as released runtime-rs shims do with QEMU or Firecracker",
  stolen_cpu: "has a guest whose CPUs the node gives to others three quarters of the time",
  memory_pressure: "has a guest without free memory, with major faults and OOM kills",
  slow_disk: "has a guest that waits for its disk nearly all of the time",
};
export type ShimFault =
  | "none"
  | "hang"
  | "slow"
  | "slow_shim"
  | "refuse"
  | "close"
  | "cut"
  | "error500"
  | "notfound"
  | "huge"
  | "garbage"
  | "no_agent"
  | "hostile"
  | "churning"
  | "abort"
  | "stolen_cpu"
  | "memory_pressure"
  | "slow_disk";

export interface ShimOptions {
  readonly flavor: NumberStyle;
  readonly socketPath: string;
  readonly page: SimulatedPage;
  /** How many milliseconds late "slow_shim" answers; 9,000 by default, just below the agent's timeout of 10 s. */
  readonly answerDelayMs?: number | undefined;
}

const ANSWER_DELAY_MS = 9_000;

/** A shim's management socket, which serves `/metrics` and `/agent-url` as real shims do. */
export interface Shim {
  readonly fault: ShimFault;
  /** Sets the fault for the next requests. A change to or from "refuse" takes effect at once. */
  setFault(fault: ShimFault): Promise<void>;
  /** The last page that was served. */
  readonly lastPage: Buffer | undefined;
  /** The number of requests for `/metrics`. */
  readonly scrapes: number;
  /** Cuts every connection, and removes the socket's file if it still exists. */
  close(): Promise<void>;
}

/** Starts a shim. Rejects if the socket cannot be made. */
export async function startShim(options: ShimOptions): Promise<Shim> {
  const path = await shortSocketPath(options.socketPath);
  const shim = new SocketShim(options, path);
  try {
    await shim.listen();
  } catch (error) {
    await path[Symbol.asyncDispose]();
    throw error;
  }
  return shim;
}

class SocketShim implements Shim {
  fault: ShimFault = "none";
  lastPage: Buffer | undefined;
  scrapes = 0;
  readonly #options: ShimOptions;
  readonly #path: ShortPath;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  constructor(options: ShimOptions, path: ShortPath) {
    this.#options = options;
    this.#path = path;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    const { socketPath, flavor } = this.#options;
    this.#server.listen(this.#path.path);
    await once(this.#server, "listening");
    await chmod(socketPath, flavor === "go" ? 0o600 : 0o755);
  }

  async setFault(fault: ShimFault): Promise<void> {
    this.fault = fault;
    this.#options.page.setCondition(GUEST_CONDITIONS.find((condition) => condition === fault) ?? "well");
    if (fault === "refuse") await this.#abandon();
    else if (!this.#server.listening) {
      await rm(this.#options.socketPath, { force: true });
      await this.listen();
    }
  }

  async close(): Promise<void> {
    await this.#stop();
    // The server needs this path to remove its socket, so the path is disposed of last.
    await this.#path[Symbol.asyncDispose]();
  }

  async #stop(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Stops listening and leaves the socket's file behind, as a shim that was killed does. */
  async #abandon(): Promise<void> {
    if (!this.#server.listening) return;
    const { socketPath } = this.#options;
    const kept = join(dirname(socketPath), ".kept.sock");
    // A server that closes removes the path that it listens on, but no other link to the same socket.
    await link(socketPath, kept).catch(ignoreMissing);
    await this.#stop();
    await rename(kept, socketPath).catch(ignoreMissing);
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    let text = "";
    socket.on("data", (bytes) => {
      const { requests, rest } = takeRequests(text + bytes.toString("latin1"));
      text = rest;
      if (rest.length > HEAD_BYTES_MAX) socket.destroy();
      for (const request of requests) this.#answer(socket, request);
    });
  }

  #answer(socket: Socket, request: ShimRequest): void {
    const { method, path } = request;
    const known = path === "/metrics" || path === "/agent-url";
    if (this.#options.flavor === "rs" && (method !== "GET" || !known)) {
      this.#respond(socket, request, { status: NOT_FOUND, body: URL_NOT_FOUND });
    } else if (!known) {
      const body = Buffer.from("404 page not found\n");
      this.#respond(socket, request, { status: NOT_FOUND, body });
    } else if (path === "/agent-url") {
      this.#respond(socket, request, { status: OK, body: Buffer.from("vsock://3:1024") });
    } else {
      this.scrapes++;
      this.#answerMetrics(socket, request);
    }
  }

  #answerMetrics(socket: Socket, request: ShimRequest): void {
    const { page, flavor } = this.#options;
    switch (this.fault) {
      case "none":
      case "stolen_cpu":
      case "memory_pressure":
      case "slow_disk":
        this.#serve(socket, request, page.render());
        break;
      case "hang":
        break;
      case "close":
      case "refuse":
        socket.destroy();
        break;
      case "abort":
        void this.#abandon();
        break;
      case "slow":
        dribble(socket, this.#render(request, { status: OK, body: page.render() }));
        break;
      case "slow_shim":
        this.#serveLate(socket, request);
        break;
      case "cut":
        cutShort(socket, this.#render(request, { status: OK, body: page.render() }));
        break;
      case "huge":
        flood(socket, request, flavor);
        break;
      case "error500":
        this.#respond(socket, request, { status: "500 Internal Server Error", body: NO });
        break;
      case "notfound":
        this.#respond(socket, request, { status: NOT_FOUND, body: URL_NOT_FOUND });
        break;
      case "garbage":
        this.#serve(socket, request, GARBAGE);
        break;
      case "no_agent":
        this.#serve(socket, request, page.renderWithoutAgent());
        break;
      case "hostile":
        this.#serve(socket, request, this.#withGuestLines(HOSTILE_LINES));
        break;
      case "churning":
        this.#serve(socket, request, this.#withGuestLines(newFamilies(this.scrapes)));
        break;
      default:
        this.fault satisfies never;
    }
  }

  #serveLate(socket: Socket, request: ShimRequest): void {
    const { page, answerDelayMs = ANSWER_DELAY_MS } = this.#options;
    const timer = setTimeout(() => this.#serve(socket, request, page.render()), answerDelayMs);
    socket.on("close", () => clearTimeout(timer));
  }

  /**
   * Adds the lines to the guest's part of the page. This part is last on a Go shim's page. On a runtime-rs page it is
   * first, before the shim's own lines, which the guest may forge.
   */
  #withGuestLines(lines: Buffer): Buffer {
    const page = this.#options.page.render();
    return Buffer.concat(this.#options.flavor === "go" ? [page, lines] : [lines, page]);
  }

  #serve(socket: Socket, request: ShimRequest, page: Buffer): void {
    this.lastPage = page;
    this.#respond(socket, request, { status: OK, body: page });
  }

  #respond(socket: Socket, request: ShimRequest, response: Answer): void {
    const bytes = this.#render(request, response);
    if (request.keepsOpen) socket.write(bytes);
    else socket.end(bytes);
  }

  #render(request: ShimRequest, response: Answer): Buffer {
    return renderResponse(request, { flavor: this.#options.flavor, ...response });
  }
}

type Answer = Omit<ShimResponse, "flavor">;

const NOT_FOUND = "404 Not Found";
const NO = Buffer.from("no\n");
const URL_NOT_FOUND = Buffer.from("URL NOT FOUND");

/** Ignores that a file is missing, since a sandbox may end, and its directory be removed, at any time. */
function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
