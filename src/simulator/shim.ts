import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { type ShortPath, shortSocketPath } from "../sockets/short_path.ts";
import type { SimulatedPage } from "./pages.ts";

/** What can be wrong with a shim. */
export const FAULTS = [
  "none",
  "hang",
  "slow",
  "refuse",
  "close",
  "cut",
  "error500",
  "notfound",
  "huge",
  "garbage",
  "no_agent",
  "hostile",
  "churning",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface ShimOptions {
  readonly flavor: "go" | "rs";
  readonly socketPath: string;
  readonly page: SimulatedPage;
}

/** A shim's management socket, serving `/metrics` as the real ones do. */
export interface Shim {
  fault: Fault;
  /** The text that was served last. */
  readonly lastPage: Buffer | undefined;
  /** Requests for `/metrics` that were begun. */
  readonly scrapes: number;
  close(): Promise<void>;
}

const CHUNK_BYTES = 4_096;
const SLOW_CHUNK_BYTES = 512;
const SLOW_PAUSE_MS = 200;

export async function startShim(options: ShimOptions): Promise<Shim> {
  const shim = new SocketShim(options, await shortSocketPath(options.socketPath));
  await shim.listen();
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

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    if (this.#server.listening) {
      this.#server.close();
      await once(this.#server, "close");
    }
    // Only now: the server removes its socket by this path.
    await this.#path[Symbol.asyncDispose]();
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    let request = "";
    socket.on("data", (bytes) => {
      request += bytes.toString("latin1");
      if (!request.includes("\r\n\r\n")) return;
      const [method = "", path = ""] = request.split(" ");
      request = "";
      this.#answer(socket, method, path);
    });
  }

  #answer(socket: Socket, method: string, path: string): void {
    const { flavor } = this.#options;
    if (flavor === "rs" && (method !== "GET" || !["/metrics", "/agent-url"].includes(path))) {
      respond(socket, { flavor, status: "404 Not Found", body: Buffer.from("URL NOT FOUND") });
    } else if (path === "/agent-url") {
      respond(socket, { flavor, status: "200 OK", body: Buffer.from("vsock://3:1024") });
    } else if (path !== "/metrics") {
      respond(socket, { flavor, status: "404 Not Found", body: Buffer.from("404 page not found\n") });
    } else {
      this.scrapes++;
      this.#serve(socket);
    }
  }

  #serve(socket: Socket): void {
    const { flavor, page } = this.#options;
    const ok = (body: Buffer): void => {
      this.lastPage = body;
      respond(socket, { flavor, status: "200 OK", body });
    };
    const refused = (status: string, text: string): void => {
      respond(socket, { flavor, status, body: Buffer.from(text) });
    };
    const answers: Readonly<Record<Fault, () => void>> = {
      none: () => ok(page.render()),
      refuse: () => socket.destroy(),
      hang: () => {},
      slow: () => dribble(socket, page.render()),
      close: () => socket.destroy(),
      cut: () => cutShort(socket, flavor, page.render()),
      error500: () => refused("500 Internal Server Error", "no\n"),
      notfound: () => refused("404 Not Found", "URL NOT FOUND"),
      huge: () => flood(socket),
      garbage: () => ok(GARBAGE),
      no_agent: () => ok(page.renderWithoutAgent()),
      hostile: () => ok(Buffer.concat([page.render(), HOSTILE])),
      churning: () => ok(Buffer.concat([page.render(), churn(this.scrapes)])),
    };
    answers[this.fault]();
  }
}

interface Response {
  readonly flavor: "go" | "rs";
  readonly status: string;
  readonly body: Buffer;
}

function respond(socket: Socket, { flavor, status, body }: Response): void {
  if (flavor === "rs") {
    socket.end(Buffer.concat([head(flavor, status, body.length), body]));
    return;
  }
  const parts = [head(flavor, status, body.length)];
  for (let at = 0; at < body.length; at += CHUNK_BYTES)
    parts.push(chunk(body.subarray(at, at + CHUNK_BYTES)));
  parts.push(Buffer.from("0\r\n\r\n"));
  socket.end(Buffer.concat(parts));
}

/** The Go shim chunks and names a type; runtime-rs gives a length and no type. */
function head(flavor: "go" | "rs", status: string, length: number): Buffer {
  const fields =
    flavor === "go"
      ? "Content-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
      : `content-length: ${length}\r\nconnection: close\r\n`;
  return Buffer.from(`HTTP/1.1 ${status}\r\n${fields}\r\n`);
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

const GARBAGE = Buffer.from(Uint8Array.from({ length: 8_192 }, (_, at) => (at * 167 + 13) % 256));

/** Ends in the middle of a line, as a shim that dies does. */
function cutShort(socket: Socket, flavor: "go" | "rs", body: Buffer): void {
  const half = body.subarray(0, body.length >> 1);
  socket.end(Buffer.concat([head(flavor, "200 OK", body.length), flavor === "go" ? chunk(half) : half]));
}

function dribble(socket: Socket, body: Buffer): void {
  socket.write(head("rs", "200 OK", body.length));
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at >= body.length) {
      clearInterval(timer);
      socket.end();
      return;
    }
    socket.write(body.subarray(at, at + SLOW_CHUNK_BYTES));
    at += SLOW_CHUNK_BYTES;
  }, SLOW_PAUSE_MS);
}

/** Never ends: one family whose series never repeat. */
function flood(socket: Socket): void {
  socket.write("HTTP/1.1 200 OK\r\n\r\n# TYPE kata_guest_flood gauge\n");
  let series = 0;
  const more = (): void => {
    let room = !socket.destroyed;
    while (room) {
      let text = "";
      for (let i = 0; i < 1_000; i++) text += `kata_guest_flood{item="${series++}"} 1\n`;
      room = socket.write(text) && !socket.destroyed;
    }
  };
  socket.on("drain", more);
  more();
}

/** What a guest may put on its page to harm others: forged identity, redefinitions, timestamps, noise. */
const HOSTILE = Buffer.from(
  [
    '# TYPE kata_hypervisor_fds counter\nkata_hypervisor_fds{sandbox_id="0000"} 1',
    '# TYPE kata_guest_forged gauge\nkata_guest_forged{sandbox_id="0000",cri_name="other",item="a"} 1',
    'kata_guest_forged{item="a",item="b"} 2',
    "# TYPE kata_guest_forged counter",
    "# TYPE kata_monitor_running_shim_count gauge\nkata_monitor_running_shim_count 999",
    "# TYPE kata_collector_sandbox_up gauge\nkata_collector_sandbox_up 0",
    "kata_guest_late 1 1700000000000",
    "# EOF",
    "\u0000\u0001 noise {{{",
    "",
  ].join("\n"),
);

/** Families that no scrape has shown before. */
function churn(scrape: number): Buffer {
  let text = "";
  for (let i = 0; i < 50; i++)
    text += `# TYPE kata_guest_new_${scrape}_${i} gauge\nkata_guest_new_${scrape}_${i} ${i}\n`;
  return Buffer.from(text);
}
