import { once } from "node:events";
import { chmod, link, rename, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type ShortPath, shortSocketPath } from "../sockets/short_path.ts";
import { FLOOD_SERIES, floodPiece, GARBAGE, HOSTILE_LINES, newFamilies } from "./bad_pages.ts";
import type { NumberStyle } from "./number_text.ts";
import type { SimulatedPage } from "./pages.ts";
import {
  HEAD_BYTES_MAX,
  renderChunk,
  renderHead,
  renderResponse,
  type ShimRequest,
  type ShimResponse,
  takeRequests,
} from "./shim_http.ts";

/** What can be wrong with a shim. */
export const FAULTS = [
  "none",
  /** Takes requests and never answers. */
  "hang",
  /** Answers in small pieces: a page takes half a minute. */
  "slow",
  /** The socket's file is there, and nobody listens. */
  "refuse",
  /** Closes without a word. */
  "close",
  /** Stops in the middle of a line. */
  "cut",
  "error500",
  "notfound",
  /** A page without end. */
  "huge",
  "garbage",
  /** The guest agent does not answer, so that the page has the shim's own part only. */
  "no_agent",
  /** The guest forges, redefines and makes noise. */
  "hostile",
  /** Every page has families that no page had before. */
  "churning",
  /** The first scrape ends the shim, as it does under released runtime-rs shims with QEMU or Firecracker. */
  "abort",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface ShimOptions {
  readonly flavor: NumberStyle;
  readonly socketPath: string;
  readonly page: SimulatedPage;
}

/** A shim's management socket, serving `/metrics` and `/agent-url` as the real ones do. */
export interface Shim {
  readonly fault: Fault;
  /** Takes effect at the next request; "refuse" at once, and what follows it too. */
  setFault(fault: Fault): Promise<void>;
  /** The text that was served last. */
  readonly lastPage: Buffer | undefined;
  /** Requests for `/metrics` that were begun. */
  readonly scrapes: number;
  /** Cuts every connection and removes the socket's file, unless its directory has gone already. */
  close(): Promise<void>;
}

const SLOW_PIECE_BYTES = 512;
const SLOW_PAUSE_MS = 200;
/** What a page claims to have that never ends. */
const ENDLESS_BYTES = 1e12;

/** Rejects when the socket cannot be made. */
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
  fault: Fault = "none";
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

  async setFault(fault: Fault): Promise<void> {
    this.fault = fault;
    if (fault === "refuse") await this.#abandon();
    else if (!this.#server.listening) {
      await rm(this.#options.socketPath, { force: true });
      await this.listen();
    }
  }

  async close(): Promise<void> {
    await this.#stop();
    // Only now: the server removes its socket by this path.
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
    // A server that closes removes its own name of the socket, not another one.
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

  /** The guest's part stands last on a Go shim's page, and first on one of runtime-rs: before what it may forge. */
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

const OK = "200 OK";
const NOT_FOUND = "404 Not Found";
const NO = Buffer.from("no\n");
const URL_NOT_FOUND = Buffer.from("URL NOT FOUND");

/** A sandbox may end, and its directory go, at any time. */
function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

/** Ends in the middle of a line, as a shim that dies does. */
function cutShort(socket: Socket, response: Buffer): void {
  socket.end(response.subarray(0, response.indexOf("\n", response.length >> 1) + 4));
}

function dribble(socket: Socket, response: Buffer): void {
  let at = 0;
  const timer = setInterval(() => {
    const piece = response.subarray(at, at + SLOW_PIECE_BYTES);
    at += SLOW_PIECE_BYTES;
    if (at < response.length) socket.write(piece);
    else socket.end(piece);
  }, SLOW_PAUSE_MS);
  socket.on("close", () => clearInterval(timer));
  socket.on("finish", () => clearInterval(timer));
}

/** Writes for as long as the client reads. */
function flood(socket: Socket, request: ShimRequest, flavor: NumberStyle): void {
  const framing = flavor === "go" ? "Transfer-Encoding: chunked" : `Content-Length: ${ENDLESS_BYTES}`;
  socket.write(renderHead(request, { flavor, status: OK, framing }));
  let series = 0;
  const more = (): void => {
    for (let room = true; room && !socket.destroyed; ) {
      const piece = floodPiece(series);
      series += FLOOD_SERIES;
      room = socket.write(flavor === "go" ? renderChunk(piece) : piece);
    }
  };
  socket.on("drain", more);
  more();
}
