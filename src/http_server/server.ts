// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import { hostname } from "node:os";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import type { ListenAddress } from "../options/values.ts";
import { messageOf } from "../text/error_text.ts";
import { visible } from "../text/visible.ts";
import type { Authentication } from "./authentication.ts";
import { type Binding, bind } from "./bind.ts";
import {
  type Connection,
  type ConnectionLimits,
  Connections,
  type ConnectionTimeouts,
} from "./connections.ts";
import { Handshakes } from "./handshakes.ts";
import { hostRule } from "./hosts.ts";
import { type Budget, Rates } from "./rates.ts";
import type { RefusedReason, Rejections } from "./rejections.ts";
import { originForm, type Refusal, type RequestRules, refusalOf } from "./request_rules.ts";

/**
 * Answers one request: GET or HEAD, or POST where the route says so. The signal aborts when the client has disconnected
 * or the server must close at once. A rejection closes the connection, so that the client sees that the answer is
 * incomplete.
 */
export type Respond = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<void>;

/** The answer to requests for one path. A function alone answers GET and HEAD. */
export type Route =
  | Respond
  | {
      /** The only method that is allowed; GET and HEAD if left out. */
      readonly method?: "POST";
      /** Set where the limit of requests per second does not apply. The answer must cost little more than a refusal. */
      readonly isHealth?: true;
      readonly answer: Respond;
    };

/** The limits of one listener. */
export interface ServerLimits extends ConnectionLimits {
  /** Requests of one client in a second, for each of the budgets in `rates.ts`. Further ones are answered with 429. */
  readonly requestsPerSecondMax: number;
  /** TLS handshakes of one client that may begin in a second. Further ones wait. */
  readonly handshakesPerSecondMax: number;
  /** Bytes of a request's target. A longer one is answered with 414. */
  readonly urlBytesMax: number;
  /** Bytes of a request's first line and headers. A longer head is answered with 431. */
  readonly headerBytesMax: number;
}

/** The time-outs of one listener. */
export interface ServerTimeouts extends ConnectionTimeouts {
  /** Whether a connection may carry more than one request. */
  readonly keepAlives: boolean;
}

/** The options of an `HttpServer`. */
export interface HttpServerOptions {
  readonly address: ListenAddress;
  /**
   * Undefined for plain HTTP. For TLS, the caller must call `secure` before `listen`. With `asksClients`, clients need
   * a certificate.
   */
  readonly tls: { readonly asksClients: boolean } | undefined;
  /** Returns the route of a path; undefined where there is none, which is answered with 404. */
  route(path: string): Route | undefined;
  readonly limits: ServerLimits;
  /** The hosts for which requests are answered, as in `allowed_hosts`; undefined for the default of `hostRule`. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Checks the credentials of requests; undefined where requests need none. */
  readonly authenticate?: Authentication | undefined;
  readonly timeouts: ServerTimeouts;
  readonly clock: Clock;
  /** Counts the connections that are closed and the requests that no route answers. */
  readonly rejections: Rejections;
  /** Is called with errors after which the server goes on. */
  onError(error: Error): void;
}

/** An HTTP server with a limit on everything that a client can use up: connections, requests, bytes and time. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  /** Accepts connections, and passes on to `#server` those that are within the limits. */
  readonly #front: NetServer;
  readonly #server: Server | TlsServer;
  readonly #rules: RequestRules;
  readonly #connections: Connections;
  readonly #rates: Rates;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #binding: Binding | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { limits, timeouts, clock, tls, rejections, address, allowedHosts } = options;
    this.#rules = {
      urlBytesMax: limits.urlBytesMax,
      isUnix: "path" in address,
      asksCertificates: tls?.asksClients === true,
      answersHost: hostRule(allowedHosts, "path" in address ? [] : [hostname(), address.host]),
    };
    this.#rates = new Rates(limits.requestsPerSecondMax);
    this.#connections = new Connections({
      limits,
      timeouts,
      clock,
      onClosed: (reason, client) => rejections.connection(reason, client),
    });
    // `#connections` applies the time-outs. Node's own are off: they do not cover TLS handshakes and do not know clients.
    const serverOptions: ServerOptions = {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    };
    this.#server =
      tls === undefined
        ? createServer(serverOptions)
        : createTlsServer({
            ...serverOptions,
            requestCert: tls.asksClients,
            // With `true`, Node would close the connection and give no reason. `refusalOf` answers with 403 and the
            // reason.
            rejectUnauthorized: false,
          });
    const begin = tls === undefined ? this.#beginPlain() : this.#beginTls(limits.handshakesPerSecondMax);
    const frontOptions = { noDelay: true, allowHalfOpen: true, pauseOnConnect: tls !== undefined };
    this.#front = createNetServer(frontOptions, (socket) => {
      const connection = this.#connections.admit(socket);
      if (connection !== undefined) begin(connection);
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const work = this.#answer(request, response).finally(() => this.#running.delete(work));
      this.#running.add(work);
    };
    this.#server.on("request", onRequest);
    // A request with "Expect: 100-continue" is answered at once, since no route takes a body.
    this.#server.on("checkContinue", onRequest);
  }

  /** The addresses of the listener. They differ from the configured one where its port is 0 or its host is a name. */
  get addresses(): readonly ListenAddress[] {
    return this.#binding?.addresses ?? [this.#options.address];
  }

  /** Begins to listen. Where that fails, rejects with the address and the cause. */
  async listen(): Promise<void> {
    const { address, onError } = this.#options;
    try {
      this.#binding = await bind(this.#front, address);
    } catch (error) {
      const cause = messageOf(error);
      throw new Error(`cannot listen on ${describeAddress(address)}: ${cause}`, { cause: error });
    }
    for (const server of [this.#front, ...this.#binding.others]) server.on("error", onError);
  }

  /** Uses the certificates in `options` for new connections. Throws where they cannot be used. */
  secure(options: SecureContextOptions): void {
    if (!("setSecureContext" in this.#server))
      throw new Error("BUG: certificates for a listener without TLS");
    this.#server.setSecureContext(options);
  }

  /** Accepts no more connections and waits for the running requests, at most until `deadline` aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    if (!this.#front.listening) return;
    const servers = [this.#front, ...(this.#binding?.others ?? [])];
    const closed = Promise.all(servers.map((server) => once(server, "close")));
    for (const server of servers) server.close();
    const cut = (): void => {
      this.#stop.abort(new Error("the agent stops"));
      this.#connections.closeAll();
    };
    if (deadline.aborted) cut();
    deadline.addEventListener("abort", cut, { once: true });
    this.#connections.closeIdle();
    // A connection may send another request before it becomes idle, so `#running` is waited for until it is empty.
    while (this.#running.size > 0) await Promise.all(this.#running);
    // The connections that are left are idle, or wait for the rest of a request, which is not worth the wait.
    this.#connections.closeAll();
    await closed;
    deadline.removeEventListener("abort", cut);
  }

  #beginPlain(): (connection: Connection) => void {
    return ({ socket }) => this.#server.emit("connection", socket);
  }

  #beginTls(perSecondMax: number): (connection: Connection) => void {
    const handshakes = new Handshakes({
      perSecondMax,
      clock: this.#options.clock,
      start: ({ socket }) => this.#server.emit("connection", socket),
      close: (connection, reason) => this.#connections.cut(connection, reason),
    });
    // `secured` must be called before Node's own listener of this event, which reads the first request.
    this.#server.prependListener("secureConnection", (secure: TLSSocket) => {
      const connection = this.#connections.of(socketUnder(secure));
      if (connection === undefined) throw new Error("BUG: a TLS connection that was not admitted");
      this.#connections.secured(connection, secure);
      handshakes.done(connection);
    });
    return (connection) => handshakes.add(connection);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.of(request.socket);
    if (connection === undefined) throw new Error("BUG: a request of a connection that was not admitted");
    if (!this.#connections.begin(connection)) return;
    const gone = new AbortController();
    const closed = once(response, "close");
    response.once("close", () => {
      this.#connections.taken(connection);
      gone.abort(new Error("the client has gone"));
    });
    if (!this.#front.listening || !this.#options.timeouts.keepAlives)
      response.setHeader("Connection", "close");
    try {
      const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
      await this.#route(connection, { request, response, signal });
    } catch (error) {
      // A client that has disconnected is no error, even if a write to it fails before its connection emits "close".
      if (!gone.signal.aborted && !request.socket.destroyed) this.#options.onError(error as Error);
      response.destroy();
    }
    const answered = (): void => this.#connections.answered(connection);
    // A route may return before its answer has been written.
    if (response.writableEnded || response.destroyed) answered();
    else response.once("prefinish", answered);
    await closed;
  }

  async #route(connection: Connection, { request, response, signal }: RoutedRequest): Promise<void> {
    const { limits, rejections, authenticate } = this.#options;
    const rule = refusalOf(request, this.#rules);
    request.url = originForm(request.url ?? "/");
    const route = this.#options.route(request.url.split("?", 1)[0] ?? "/");
    // Rules and credentials are checked before the path, so that a client that is refused does not learn which paths exist.
    const refused: Unserved | undefined =
      rule ?? (await authenticate?.(request)) ?? refusedBy(request, route);
    const isHealth = refused === undefined && typeof route === "object" && route.isHealth === true;
    if (!isHealth && !this.#hasRoom(connection, refused === undefined ? "page" : "refused")) {
      rejections.request("rate", connection.client);
      response.setHeader("Retry-After", "1");
      return answerText(response, 429, `more than ${limits.requestsPerSecondMax} requests in a second`);
    }
    if (refused !== undefined) {
      const { reason = "rule", status, text, headers = {} } = refused;
      // After a request that a rule forbids, the connection closes, so that the agent need not read the request's body.
      // After an unknown path or a wrong method it stays open, since a new connection would cost more.
      if (reason === "rule") response.setHeader("Connection", "close");
      rejections.request(reason, connection.client);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      return answerText(response, status, text);
    }
    const answer = typeof route === "object" ? route.answer : route;
    await answer?.(request, response, signal);
  }

  /**
   * Counts the request in one of the client's budgets (`rates.ts`). Returns false where that budget is used up in this
   * second.
   */
  #hasRoom(connection: Connection, budget: Budget): boolean {
    const second = Math.floor(this.#options.clock.monotonicMs() / 1_000);
    const isFirst = connection.askedSecond !== second;
    connection.askedSecond = second;
    return this.#rates.take(second, connection.client, { budget, isFirst });
  }
}

/** Returns why no route answers the request; undefined where one does. */
function refusedBy(request: IncomingMessage, route: Route | undefined): Unserved | undefined {
  if (route === undefined)
    return { reason: "unknown_path", status: 404, text: "not found; what is served is linked from /" };
  const method = typeof route === "object" ? route.method : undefined;
  const allowed = method === undefined ? ["GET", "HEAD"] : [method];
  if (allowed.includes(request.method ?? "")) return undefined;
  const text = `only ${allowed.join(" and ")} ${method === undefined ? "are" : "is"} allowed`;
  return { reason: "method", status: 405, text, headers: { Allow: allowed.join(", ") } };
}

/** A refusal with the reason under which it is counted; "rule" if left out. */
type Unserved = Refusal & { readonly reason?: RefusedReason };

interface RoutedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
}

/**
 * Returns the accepted socket under a TLS connection. Node has no public property for it, and addresses and ports do not
 * identify the connections of a unix socket.
 */
function socketUnder(secure: TLSSocket): Socket {
  const { _parent: socket } = secure as TLSSocket & { readonly _parent?: Socket };
  if (socket === undefined) throw new Error("BUG: a TLS connection without a socket under it");
  return socket;
}

/** Ends the response with a line of plain text. Hidden characters in the text, which may come from others, are escaped. */
export function answerText(response: ServerResponse, status: number, text: string): void {
  answerBody(response, status, { type: "text/plain", body: Buffer.from(`${visible(text)}\n`) });
}

/** An answer whose body is sent as a whole. */
export interface AnswerBody {
  readonly type: "text/plain" | "text/html" | "application/json";
  readonly body: Buffer;
  /** The hash of the style sheet in the body, as `sha256-…`. Without it, a browser applies no style sheet. */
  readonly styleHash?: string;
}

/**
 * Ends the response with the body, and with headers that keep browsers from running scripts in it or guessing its
 * type.
 */
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

/** Writes the addresses as the config does, with commas between them. */
export function describeAddresses(addresses: readonly ListenAddress[]): string {
  return addresses.map(describeAddress).join(", ");
}

/** Writes the address as the config does. */
export function describeAddress(address: ListenAddress): string {
  if ("path" in address) return `unix://${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
