// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { Clock } from "../clock/clock.ts";
import { dial, type PeerAddress, secure } from "../peer/dial.ts";
import { errorText } from "../peer/error_text.ts";
import { FailedPeer } from "../peer/failed_peer.ts";
import type { ForwardProxy } from "../proxy/proxy_url.ts";
import { openTunnel, PROXY_AUTHENTICATION_REQUIRED, ProxyError } from "../proxy/tunnel.ts";
import { type Http2Connection, type Keepalive, openConnection } from "./connection.ts";
import { GrpcCode } from "./status.ts";

/** The TLS options of a connection. */
export interface GrpcTls {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  /** The name that the server's certificate must have; undefined for the target's host. */
  readonly serverName: string | undefined;
  /** Whether the client has a certificate of its own, for the advice in error messages. */
  readonly hasCertificate: boolean;
}

/** How connections to one target are opened. */
export interface ConnectorOptions {
  /** The name that the server's certificate must have, unless `tls.serverName` is set. */
  readonly host: string;
  /** The TLS options; undefined for a connection without TLS. */
  readonly tls: GrpcTls | undefined;
  /** The proxy to go through; undefined for direct connections. */
  readonly proxy: ForwardProxy | undefined;
  /** The certificates to trust for a proxy of `https://`. They are needed for such a proxy only. */
  readonly secureContext: SecureContext | undefined;
  readonly keepalive: Keepalive | undefined;
  readonly clock: Clock;
}

/** Says why a connection could not be opened. The message has the address, the reason and which option to change. */
export class ConnectFailure extends Error {
  /** UNAUTHENTICATED if a proxy wants credentials, UNAVAILABLE for any other reason. */
  readonly code: number;

  constructor(message: string, code: number, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The longest time for opening a connection, including TLS and SETTINGS. gRPC's own clients have the same limit. */
const CONNECT_MS = 20_000;

const CLOSED = "the client was closed while it connected";

/** Opens connections to the addresses of one target. */
export class GrpcConnector {
  readonly #options: ConnectorOptions;
  readonly #failed: FailedPeer;

  constructor(options: ConnectorOptions) {
    const { tls, clock } = options;
    this.#options = options;
    this.#failed = new FailedPeer(clock, {
      protocol: "gRPC",
      isTls: tls !== undefined,
      hasCertificate: tls?.hasCertificate ?? false,
    });
  }

  /**
   * Opens a connection to one address. Rejects with a ConnectFailure, also after `CONNECT_MS` or when `stop` aborts.
   */
  async open(address: PeerAddress, stop: AbortSignal): Promise<Http2Connection> {
    const deadline = new AbortController();
    const cancel = this.#options.clock.after(CONNECT_MS, () =>
      deadline.abort(new Error(`no connection within ${CONNECT_MS} ms`)),
    );
    try {
      return await this.#connect(address, AbortSignal.any([deadline.signal, stop]));
    } catch (error) {
      throw stop.aborted
        ? new ConnectFailure(CLOSED, GrpcCode.UNAVAILABLE, error)
        : await this.#explained(address, error, stop);
    } finally {
      cancel();
    }
  }

  async #connect(address: PeerAddress, signal: AbortSignal): Promise<Http2Connection> {
    const { tls, host, keepalive, clock } = this.#options;
    const plain = await this.#reach(address, signal);
    const socket = tls === undefined ? plain : await secureFor(plain, { tls, host, signal });
    return await openConnection({ socket, isTls: tls !== undefined, keepalive, clock }, signal);
  }

  async #reach(address: PeerAddress, signal: AbortSignal): Promise<Socket> {
    const { proxy, secureContext } = this.#options;
    if (proxy === undefined || "path" in address) return await dial(address, signal);
    return await openTunnel({ proxy, target: address, secureContext }, signal);
  }

  async #explained(address: PeerAddress, error: unknown, signal: AbortSignal): Promise<ConnectFailure> {
    const text = errorText(error);
    if (error instanceof ProxyError) {
      const wantsUser = error.status === PROXY_AUTHENTICATION_REQUIRED;
      return new ConnectFailure(text, wantsUser ? GrpcCode.UNAUTHENTICATED : GrpcCode.UNAVAILABLE, error);
    }
    const { proxy } = this.#options;
    // An address behind a proxy is not probed, since a probe would connect to it without the proxy.
    const probed = proxy === undefined ? address : undefined;
    const advice = await this.#failed.explain(error, { address: probed, signal });
    const message = `cannot connect to ${addressOf(address)}: ${text}${advice}`;
    return new ConnectFailure(message, GrpcCode.UNAVAILABLE, error);
  }
}

function secureFor(
  socket: Socket,
  { tls, host, signal }: { readonly tls: GrpcTls; readonly host: string; readonly signal: AbortSignal },
) {
  const { secureContext, rejectUnauthorized, serverName } = tls;
  return secure(
    socket,
    { secureContext, rejectUnauthorized, name: serverName ?? host, protocols: ["h2"] },
    signal,
  );
}

/** Returns the address in the form of an endpoint: `host:port`, `[address]:port` or `unix:path`. */
export function addressOf(address: PeerAddress): string {
  if ("path" in address) return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
