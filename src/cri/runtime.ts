// SPDX-License-Identifier: Apache-2.0
import { CriClient, CriError } from "./client.ts";
import type { PodEvent, PodList } from "./pod.ts";
import { checkSocket } from "./socket.ts";
import { broadcastsEvents, type RuntimeVersion } from "./version.ts";

export interface RuntimeOptions {
  /** A gRPC target, as `parseCriEndpoint` returns it. */
  readonly endpoint: string;
  /** How long a call may take at first. The deadline grows after time-outs. */
  readonly timeoutMs: number;
  onEvent(event: PodEvent): void;
  /** Called when the connection is lost, which usually means that the runtime restarts. */
  onLost(): void;
}

/** The name, version and endpoint of a runtime that answers. */
export interface RuntimeIdentity extends RuntimeVersion {
  readonly endpoint: string;
}

/**
 * The container runtime that may listen at one endpoint. It has no timers and retries nothing: the caller decides when to
 * call.
 */
export class ContainerRuntime {
  readonly #options: RuntimeOptions;
  /**
   * Made when the endpoint had a listener for the first time, and kept until `close`: a gRPC client that is closed
   * while it connects, or between two tries, leaks a connection.
   */
  #client: CriClient | undefined;
  /**
   * The identity of the runtime on the open connection. Undefined before there is a connection, and after a failed
   * call.
   */
  #identity: RuntimeIdentity | undefined;
  #events: "closed" | "open" | "unusable" = "unusable";
  #closed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
  }

  get endpoint(): string {
    return this.#options.endpoint;
  }

  /** Lists the runtime's pod sandboxes. Rejects with a `CriError`. Only one call may run at a time. */
  async pods(wanted: (id: string) => boolean): Promise<{ from: RuntimeIdentity; list: PodList }> {
    const client = await this.#connected();
    try {
      const from = this.#identity ?? (await this.#identify(client));
      return { from, list: await client.pods(wanted) };
    } catch (error) {
      this.#identity = undefined;
      throw error;
    }
  }

  /**
   * Opens the stream of events, if the runtime has one that is safe to use, and unless the stream is open already.
   * After the stream has broken, the next call opens it again.
   */
  follow(): void {
    if (this.#client === undefined || this.#identity === undefined || this.#events !== "closed") return;
    this.#events = "open";
    this.#client.events({
      event: this.#options.onEvent,
      end: (failure) => {
        // After a failure other than these two, the stream would end again at once. For example, CRI-O without
        // `enable_pod_events` ends it without an error.
        const broke = failure === "unavailable" || failure === "timeout";
        this.#events = broke ? "closed" : "unusable";
      },
    });
  }

  /** Closes the connection. Calls under way and later calls reject. */
  close(): void {
    this.#closed = true;
    this.#identity = undefined;
    this.#client?.close();
  }

  async #connected(): Promise<CriClient> {
    const { endpoint, timeoutMs, onLost } = this.#options;
    if (this.#identity === undefined) await checkSocket(endpoint);
    if (this.#closed) throw new CriError(`cannot call "${endpoint}": it is closed`, "unavailable");
    const lost = (): void => {
      this.#identity = undefined;
      onLost();
    };
    this.#client ??= new CriClient({ endpoint, timeoutMs, onLost: lost });
    return this.#client;
  }

  async #identify(client: CriClient): Promise<RuntimeIdentity> {
    const identity = { endpoint: this.#options.endpoint, ...(await client.version()) };
    if (this.#closed) throw new CriError(`cannot call "${identity.endpoint}": it is closed`, "unavailable");
    this.#identity = identity;
    if (this.#events !== "open") this.#events = broadcastsEvents(identity) ? "closed" : "unusable";
    return identity;
  }
}
