import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import type { ListenAddress } from "../config/values.ts";
import { visible } from "../text/visible.ts";
import type { Authentication } from "./authentication.ts";
import { type Binding, bind } from "./bind.ts";
import { hostRule } from "./hosts.ts";
import { originForm, type Refusal, type RequestRules, refusalOf } from "./request_rules.ts";

/**
 * Answers one request: GET or HEAD, or POST where the route says so. The signal aborts when the client has gone or the server
 * closes at once. A rejection breaks the connection off, so that a page that is not whole does not look whole.
 */
export type Route = Answer | { readonly method: "POST"; readonly answer: Answer };

export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<void>;

export interface ServerLimits {
  readonly connectionsMax: number;
  /** Of all clients together; further requests are answered with 429. */
  readonly requestsPerSecondMax: number;
  /** Of a request's target; a longer one is answered with 414. */
  readonly urlBytesMax: number;
  /** Of a request's line and headers; more are answered with 431. */
  readonly headerBytesMax: number;
  /** From a request's first byte to its last. */
  readonly requestTimeoutMs: number;
  /** A client that takes nothing for so long is cut off. */
  readonly stallTimeoutMs: number;
}

export interface HttpServerOptions {
  readonly address: ListenAddress;
  /** Undefined for plain HTTP. With it, `secure` must be called before `listen`. */
  readonly tls: { readonly asksClients: boolean } | undefined;
  /** By path; anything else is 404. */
  route(path: string): Route | undefined;
  readonly limits: ServerLimits;
  /** The hosts that are answered, as `allowed_hosts` has them; undefined for the default of `hostRule`. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Asks requests for credentials; undefined where they need none. */
  readonly authenticate?: Authentication | undefined;
  readonly clock: Clock;
  /** Hears of what goes wrong while the server runs; it goes on. */
  onError(error: Error): void;
}

/** Prometheus comes again in a minute at the latest, and finds its connection still open. */
const KEEP_ALIVE_MS = 120_000;
/** How often Node looks for requests that take too long. */
const CHECK_INTERVAL_MS = 1_000;

/** An HTTP listener for GET and HEAD, with a limit on everything that a client can take. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server | TlsServer;
  readonly #rules: RequestRules;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #binding: Binding | undefined;
  #connections = 0;
  /** The second in which requests came last, and how many. */
  #second = 0;
  #requests = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { limits, tls, address, allowedHosts } = options;
    this.#rules = {
      urlBytesMax: limits.urlBytesMax,
      isUnix: "path" in address,
      asksCertificates: tls?.asksClients === true,
      answersHost: hostRule(allowedHosts, "path" in address ? [] : [hostname(), address.host]),
    };
    const serverOptions: ServerOptions = {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.requestTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    this.#server =
      tls === undefined
        ? createServer(serverOptions)
        : createTlsServer({
            ...serverOptions,
            requestCert: tls.asksClients,
            // Node would hang up without a word; the request is refused with the reason.
            rejectUnauthorized: false,
          });
    this.#server.on("connection", (socket: Socket) => this.#count(socket));
    this.#server.timeout = limits.stallTimeoutMs;
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const work = this.#answer(request, response).finally(() => this.#running.delete(work));
      this.#running.add(work);
    };
    this.#server.on("request", onRequest);
    // Nobody is told to go on with a body.
    this.#server.on("checkContinue", onRequest);
  }

  /** The addresses that it really listens at, which matters where the port was 0 or the host is a name. */
  get addresses(): readonly ListenAddress[] {
    return this.#binding?.addresses ?? [this.#options.address];
  }

  /** Rejects with the address and the cause when it cannot listen. */
  async listen(): Promise<void> {
    const { address, onError } = this.#options;
    try {
      this.#binding = await bind(this.#server, address);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot listen on ${describeAddress(address)}: ${cause}`, { cause: error });
    }
    for (const server of [this.#server, ...this.#binding.others]) server.on("error", onError);
  }

  /** Secures the connections to come with these certificates. Throws where they are of no use. */
  secure(options: SecureContextOptions): void {
    if (!("setSecureContext" in this.#server))
      throw new Error("BUG: certificates for a listener without TLS");
    this.#server.setSecureContext(options);
  }

  /** Takes no more connections and lets the running requests end, at most until `deadline` aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    if (!this.#server.listening) return;
    const servers = [this.#server, ...(this.#binding?.others ?? [])];
    const closed = Promise.all(servers.map((server) => once(server, "close")));
    for (const server of servers) server.close();
    const cut = (): void => {
      this.#stop.abort(new Error("the agent stops"));
      this.#server.closeAllConnections();
    };
    if (deadline.aborted) cut();
    deadline.addEventListener("abort", cut, { once: true });
    // A connection may bring another request before it is idle.
    while (this.#running.size > 0) await Promise.all(this.#running);
    // What is left is idle, or has sent a part of a request: that is not waited for.
    this.#server.closeAllConnections();
    await closed;
    deadline.removeEventListener("abort", cut);
  }

  /** The limit is that of all addresses together. */
  #count(socket: Socket): void {
    if (++this.#connections > this.#options.limits.connectionsMax) socket.destroy();
    socket.once("close", () => this.#connections--);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const closed = once(response, "close");
    response.once("close", () => gone.abort(new Error("the client has gone")));
    response.once("timeout", () => {
      const { remoteAddress = "a client" } = request.socket;
      this.#options.onError(new Error(`${remoteAddress} took nothing for too long and is cut off`));
      response.destroy();
    });
    if (!this.#server.listening) response.setHeader("Connection", "close");
    try {
      await this.#route(request, response, AbortSignal.any([gone.signal, this.#stop.signal]));
    } catch (error) {
      // A client that goes is no trouble; a write to it may fail before its connection is known to be closed.
      if (!gone.signal.aborted && !request.socket.destroyed) this.#options.onError(error as Error);
      response.destroy();
    }
    await closed;
  }

  async #route(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const refusal =
      this.#overRate() ?? refusalOf(request, this.#rules) ?? (await this.#options.authenticate?.(request));
    if (refusal !== undefined) {
      for (const [name, value] of Object.entries(refusal.headers ?? {})) response.setHeader(name, value);
      // What is left of the request is not waited for.
      response.setHeader("Connection", "close");
      return answerText(response, refusal.status, refusal.text);
    }
    request.url = originForm(request.url ?? "/");
    const path = request.url.split("?", 1)[0] ?? "/";
    const route = this.#options.route(path);
    if (route === undefined) return answerText(response, 404, "not found; what is served is linked from /");
    const isPost = typeof route === "object";
    const allowed = isPost ? ["POST"] : ["GET", "HEAD"];
    if (!allowed.includes(request.method ?? "")) {
      response.setHeader("Allow", allowed.join(", "));
      return answerText(response, 405, `only ${allowed.join(" and ")} ${isPost ? "is" : "are"} allowed`);
    }
    await (isPost ? route.answer : route)(request, response, signal);
  }

  /** Undefined where there was room for the request in this second. */
  #overRate(): Refusal | undefined {
    const { requestsPerSecondMax } = this.#options.limits;
    const second = Math.floor(this.#options.clock.monotonicMs() / 1_000);
    if (second !== this.#second) this.#requests = 0;
    this.#second = second;
    if (++this.#requests <= requestsPerSecondMax) return undefined;
    return {
      status: 429,
      text: `more than ${requestsPerSecondMax} requests in a second`,
      headers: { "Retry-After": "1" },
    };
  }
}

/** Ends the response with a line of plain text, which may quote what others say. */
export function answerText(response: ServerResponse, status: number, text: string): void {
  answerBody(response, status, { type: "text/plain", body: Buffer.from(`${visible(text)}\n`) });
}

export interface AnswerBody {
  readonly type: "text/plain" | "text/html" | "application/json";
  readonly body: Buffer;
  /** The hash of the style sheet within the body that a browser may apply, as `sha256-…`; without it, none is. */
  readonly styleHash?: string;
}

/** Ends the response with a body that fits in memory, which nobody is to take for anything but its type. */
export function answerBody(
  response: ServerResponse,
  status: number,
  { type, body, styleHash }: AnswerBody,
): void {
  const styles = styleHash === undefined ? "" : `; style-src '${styleHash}'`;
  response.writeHead(status, {
    "Content-Type": `${type}; charset=utf-8`,
    "Content-Length": body.length,
    "Content-Security-Policy": `default-src 'none'${styles}`,
    "X-Content-Type-Options": "nosniff",
  });
  response.end(body);
}

/** Every address as the config writes it, with commas between them. */
export function describeAddresses(addresses: readonly ListenAddress[]): string {
  return addresses.map(describeAddress).join(", ");
}

/** As the config writes it. */
export function describeAddress(address: ListenAddress): string {
  if ("path" in address) return `unix://${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** The address as a claim of a component: one port is one claim, whatever the host. */
export function listenerClaim(address: ListenAddress): string {
  return "path" in address ? `listener ${address.path}` : `listener ${address.port}`;
}
