import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { ListenAddress } from "../../config/values.ts";

/** Answers one request; the server has seen to the method. Rejections end the connection. */
export type Route = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<void>;

export interface ServerLimits {
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  /** From the connection to the end of the request. */
  readonly requestTimeoutMs: number;
  /** A puller that takes nothing for this long is cut off. */
  readonly stallTimeoutMs: number;
}

export interface ServerOptions {
  readonly address: ListenAddress;
  /** By path; anything else is 404. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly limits: ServerLimits;
  onError(error: Error): void;
}

/** An HTTP listener for GET and HEAD, with a limit on everything that a client can take. */
export class MetricsServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: ServerOptions) {
    this.#options = options;
    const { limits } = options;
    this.#server = createServer(
      {
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.requestTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => {
        const work = this.#answer(request, response).finally(() => this.#running.delete(work));
        this.#running.add(work);
      },
    );
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.timeout = limits.stallTimeoutMs;
  }

  /** Rejects with the address and the cause when it cannot listen. */
  async listen(): Promise<void> {
    const { address } = this.#options;
    if ("path" in address) await removeDeadSocket(address.path);
    try {
      this.#server.listen(address);
      await once(this.#server, "listening");
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot listen on ${describeAddress(address)}: ${cause}`, { cause: error });
    }
    this.#server.on("error", (error) => this.#options.onError(error));
  }

  /** Takes no more requests and lets the running ones end, at most until `deadline` aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const cut = (): void => {
      this.#stop.abort(new Error("the agent is stopping"));
      this.#server.closeAllConnections();
    };
    if (deadline.aborted) cut();
    deadline.addEventListener("abort", cut, { once: true });
    await Promise.allSettled(this.#running);
    this.#server.closeIdleConnections();
    await closed;
    deadline.removeEventListener("abort", cut);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const route = this.#options.routes.get(path);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return endWith(response.setHeader("Allow", "GET, HEAD"), 405, "method not allowed; use GET or HEAD");
    }
    if (route === undefined) return endWith(response, 404, "not found");
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("the client has gone")));
    try {
      await route(request, response, AbortSignal.any([gone.signal, this.#stop.signal]));
    } catch (error) {
      // A client that leaves is no fault; whatever else it is, a page that is not whole must not look whole.
      if (!gone.signal.aborted)
        this.#options.onError(error instanceof Error ? error : new Error(String(error)));
      response.destroy();
    }
  }
}

function endWith(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

export function describeAddress(address: ListenAddress): string {
  if ("path" in address) return `unix://${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** A socket file that nobody answers on was left by a process that died; one that answers is left alone. */
async function removeDeadSocket(path: string): Promise<void> {
  const socket = connect(path);
  const answered = await once(socket, "connect").then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ECONNREFUSED",
  );
  socket.destroy();
  if (!answered) await rm(path, { force: true });
}
