// SPDX-License-Identifier: Apache-2.0
import type { Counter, Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";

/**
 * Why the listener closed a connection:
 * - `limit`: the limits allowed no further connection;
 * - `evicted`: the connection was closed to make room for another one;
 * - `read_timeout`, `write_timeout`, `idle_timeout`: a request, an answer or the next request took too long;
 * - `pipelining`: the client sent requests faster than it read the answers;
 * - `not_tls`: the client did not speak TLS to a listener that does.
 */
export type ClosedReason =
  | "limit"
  | "evicted"
  | "read_timeout"
  | "write_timeout"
  | "idle_timeout"
  | "pipelining"
  | "not_tls";

/**
 * Why no route answered a request:
 * - `rate`: the client had used up its budget;
 * - `rule`: a rule forbids the request, or its credentials are refused;
 * - `unknown_path`: nothing is served at the path;
 * - `method`: the path is not served by this method.
 */
export type RefusedReason = "rate" | "rule" | "unknown_path" | "method";

/** Reasons that occur at every listener. They are counted but not logged. */
const USUAL: readonly (ClosedReason | RefusedReason)[] = ["idle_timeout", "rule", "unknown_path", "method"];
const LOG_INTERVAL_MS = 60_000;
/** Clients that are counted separately between two lines of the log. Of further ones only the total is counted. */
const CLIENTS_MAX = 256;

/** The options of `Rejections`. */
export interface RejectionsOptions {
  /** The listener's address as in its config. */
  readonly listener: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** Counts the connections and requests that a listener rejects. At most once a minute, logs the client with most of them. */
export class Rejections {
  readonly #options: RejectionsOptions;
  readonly #closed: Counter;
  readonly #refused: Counter;
  #byClient = new Map<string, number>();
  #sum = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RejectionsOptions) {
    this.#options = options;
    const { meter } = options;
    this.#closed = meter.createCounter("kata_collector_listener_closed_connections", {
      unit: "{connection}",
      description: "Connections that a listener closed or refused before their clients wished it, by reason.",
    });
    this.#refused = meter.createCounter("kata_collector_listener_refused_requests", {
      unit: "{request}",
      description: "Requests that a listener answered itself because of a limit, a rule or an unknown path.",
    });
  }

  /** Counts a connection that was closed. */
  connection(reason: ClosedReason, client: string): void {
    this.#closed.add(1, { listener: this.#options.listener, reason });
    this.#log(reason, client);
  }

  /** Counts a request that no route answered. */
  request(reason: RefusedReason, client: string): void {
    this.#refused.add(1, { listener: this.#options.listener, reason });
    this.#log(reason, client);
  }

  #log(reason: ClosedReason | RefusedReason, client: string): void {
    if (USUAL.includes(reason)) return;
    this.#sum++;
    const count = this.#byClient.get(client);
    if (count !== undefined || this.#byClient.size < CLIENTS_MAX)
      this.#byClient.set(client, (count ?? 0) + 1);
    const { clock, logger, listener } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    let address = client;
    for (const [one, its] of this.#byClient) if (its > (this.#byClient.get(address) ?? 0)) address = one;
    const fields = { listener, address, count: this.#byClient.get(address), of: this.#sum, reason };
    logger.warn(fields, "Listener turns clients away; most of them are of this address.");
    this.#byClient = new Map();
    this.#sum = 0;
  }
}
