import { CriClient, CriError } from "./client.ts";
import type { CriEndpoints } from "./endpoint.ts";
import type { Pod } from "./pod.ts";
import { checkSocket } from "./socket.ts";
import { broadcastsEvents, type RuntimeVersion } from "./version.ts";

export interface RuntimeOptions {
  /** Tried in order; the first one that answers is the node's runtime. */
  readonly endpoints: CriEndpoints;
  /** How long each call may take. */
  readonly timeoutMs: number;
  /** An event told about this pod. */
  onPod(pod: Pod): void;
  /** The connection is gone: the runtime restarts, perhaps. */
  onLost(): void;
}

/** The runtime that answers, and where. */
export interface RuntimeIdentity extends RuntimeVersion {
  readonly endpoint: string;
}

/**
 * One endpoint at which something listened once. It stays until the end: a gRPC client that is closed while it waits
 * for its peer, or between two tries, leaves a connection behind.
 */
interface Peer {
  readonly endpoint: string;
  readonly client: CriClient;
  /** Of the last answer to `version`. */
  identity: RuntimeIdentity;
  events: "closed" | "open" | "unusable";
}

/**
 * The node's container runtime, wherever it listens. It holds no timers and retries nothing: each `pods` call asks the
 * runtime that answered last, or looks for it anew where none does, so that whoever calls decides how often.
 */
export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #peers = new Map<string, Peer>();
  #current: Peer | undefined;
  #closed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
  }

  /** Who answered last; undefined before the first answer and after a failure. */
  get identity(): RuntimeIdentity | undefined {
    return this.#current?.identity;
  }

  /** The wanted ones of the runtime's pod sandboxes. Rejects with a `CriError`. At most one call at a time. */
  async pods(wanted: (id: string) => boolean): Promise<Map<string, Pod>> {
    const peer = this.#current ?? (await this.#find());
    this.#current = peer;
    try {
      return await peer.client.pods(wanted);
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
  }

  /**
   * Opens the stream of events where the runtime has one that is safe to use; does nothing where it is open already.
   * A stream that broke is opened again by the next call.
   */
  follow(): void {
    const peer = this.#current;
    if (peer === undefined || peer.events !== "closed") return;
    peer.events = "open";
    peer.client.events({
      pod: this.#options.onPod,
      end: (failure) => {
        // Any other end would come again at once: CRI-O without `enable_pod_events`, for one, ends without a fault.
        const broke = failure === "unavailable" || failure === "timeout";
        peer.events = broke ? "closed" : "unusable";
      },
    });
  }

  /** Ends every call; those under way reject. */
  close(): void {
    this.#closed = true;
    this.#current = undefined;
    for (const { client } of this.#peers.values()) client.close();
    this.#peers.clear();
  }

  /** The first peer that answers. */
  async #find(): Promise<Peer> {
    const { endpoints } = this.#options;
    const failures: CriError[] = [];
    for (const endpoint of endpoints) {
      if (this.#closed) break;
      try {
        await checkSocket(endpoint);
        const peer = this.#peer(endpoint);
        peer.identity = { endpoint, ...(await peer.client.version()) };
        if (this.#closed) break;
        if (peer.events !== "open") peer.events = broadcastsEvents(peer.identity) ? "closed" : "unusable";
        return peer;
      } catch (error) {
        if (!(error instanceof CriError)) throw error;
        failures.push(error);
      }
    }
    const [only] = failures;
    if (only !== undefined && endpoints.length === 1) throw only;
    const detail = failures.map(({ message }) => message).join("; ");
    throw new CriError(`cannot find a container runtime; name its endpoint: ${detail}`, "unavailable");
  }

  #peer(endpoint: string): Peer {
    const known = this.#peers.get(endpoint);
    if (known !== undefined) return known;
    const { timeoutMs, onLost } = this.#options;
    const lost = (): void => {
      if (this.#current === peer) this.#current = undefined;
      onLost();
    };
    const peer: Peer = {
      endpoint,
      client: new CriClient({ endpoint, timeoutMs, onLost: lost }),
      identity: { endpoint, name: "", version: "" },
      events: "unusable",
    };
    this.#peers.set(endpoint, peer);
    return peer;
  }
}
