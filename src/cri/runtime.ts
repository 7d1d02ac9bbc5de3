// SPDX-License-Identifier: Apache-2.0
import { CriClient, CriError } from "./client.ts";
import type { PodEvent, PodList } from "./pod.ts";
import { checkSocket } from "./socket.ts";
import { broadcastsEvents, type RuntimeVersion } from "./version.ts";

export interface RuntimeOptions {
  /** A gRPC target, as `parseCriEndpoint` gives them. */
  readonly endpoint: string;
  /** How long a call may take at first. */
  readonly timeoutMs: number;
  onEvent(event: PodEvent): void;
  /** The connection is gone: the runtime restarts, perhaps. */
  onLost(): void;
}

/** A runtime that answers, and where. */
export interface RuntimeIdentity extends RuntimeVersion {
  readonly endpoint: string;
}

/**
 * The container runtime that may listen at one endpoint. It holds no timers and retries nothing: whoever calls decides
 * how often.
 */
export class ContainerRuntime {
  readonly #options: RuntimeOptions;
  /**
   * Made when something listened for the first time, and kept to the end: a gRPC client that is closed while it waits for
   * its peer, or between two tries, leaves a connection behind.
   */
  #client: CriClient | undefined;
  /** Of the connection that is open; undefined before it and after a failure. */
  #identity: RuntimeIdentity | undefined;
  #events: "closed" | "open" | "unusable" = "unusable";
  #closed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
  }

  get endpoint(): string {
    return this.#options.endpoint;
  }

  /** The runtime's pod sandboxes, and who says so. Rejects with a `CriError`. At most one call at a time. */
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
   * Opens the stream of events where the runtime has one that is safe to use; does nothing where it is open already.
   * A stream that broke is opened again by the next call.
   */
  follow(): void {
    if (this.#client === undefined || this.#identity === undefined || this.#events !== "closed") return;
    this.#events = "open";
    this.#client.events({
      event: this.#options.onEvent,
      end: (failure) => {
        // Any other end would come again at once: CRI-O without `enable_pod_events`, for one, ends without a fault.
        const broke = failure === "unavailable" || failure === "timeout";
        this.#events = broke ? "closed" : "unusable";
      },
    });
  }

  /** Ends every call; those under way reject. */
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
