// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import type { Batch } from "../../delivery/attempt.ts";
import type { Transport } from "../../delivery/push_exporter.ts";
import { HttpPushClient, type PushProtocol } from "../../http_client/client.ts";
import { HttpConnections } from "../../http_client/connections.ts";
import type { Answer } from "../../peer/answer.ts";
import { bodiesOf } from "./bodies.ts";
import type { RemoteWriteConfig } from "./config.ts";
import { remoteWriteV1, remoteWriteV2 } from "./protocol.ts";
import { decodeRecord, type MessageVersion } from "./record.ts";

/**
 * The answer for a batch with a request that this build cannot read. The batch is cut, so that only this request is
 * dropped.
 */
const UNREADABLE: Answer = {
  kind: "split",
  status: "unknown_format",
  error: "a request in the queue is of a format that this version does not know; it may be a newer version's",
};

/** Joins the queued requests of a batch to bodies, and posts the bodies. */
class RemoteWriteTransport implements Transport {
  readonly #bytesMax: number;
  readonly #connections: HttpConnections;
  /**
   * A client for each version of remote write, since a queue on disk may have requests of the version that an earlier
   * config had.
   */
  readonly #clients: Readonly<Record<MessageVersion, HttpPushClient>>;
  /**
   * Records of requests that were delivered, while the batch as a whole was not. They are not sent again, since
   * receivers refuse samples that are older than later ones. The value of a body's first record is the number of the
   * body's samples that were rejected; the value of the others is 0.
   */
  readonly #delivered = new WeakMap<Uint8Array, number>();

  constructor({ url, requestBytesMax, ...config }: RemoteWriteConfig, settings: Settings) {
    this.#bytesMax = requestBytesMax;
    this.#connections = new HttpConnections({ url, config, owner: { kind: "exporter", settings } });
    const connect = (protocol: PushProtocol): HttpPushClient =>
      new HttpPushClient({ url, config, timeoutMs: config.timeoutMs, settings, protocol }, this.#connections);
    this.#clients = { 1: connect(remoteWriteV1), 2: connect(remoteWriteV2) };
  }

  open(): Promise<void> {
    return this.#connections.open();
  }

  /** Makes one attempt with those requests of the batch that no earlier attempt has delivered. */
  async send({ parts, points }: Batch, signal: AbortSignal): Promise<Answer> {
    const left = parts.filter((part) => !this.#delivered.has(part));
    let message = "";
    for (const body of bodiesOf(left, this.#bytesMax)) {
      if (body === undefined) return UNREADABLE;
      const answer = await this.#clients[body.version].post(body.bytes, signal, body.samples);
      if (answer.kind !== "delivered") return answer;
      for (const [index, record] of body.records.entries())
        this.#delivered.set(record, index === 0 ? answer.rejectedPoints : 0);
      message ||= answer.message;
    }
    return { kind: "delivered", rejectedPoints: this.#rejectedPoints(parts, points), message };
  }

  /** Converts rejected samples, which receivers count, to points. A point has one or more samples. */
  #rejectedPoints(parts: readonly Uint8Array[], points: number): number {
    let rejected = 0;
    for (const part of parts) rejected += this.#delivered.get(part) ?? 0;
    if (rejected === 0) return 0;
    const samples = parts.reduce((sum, part) => sum + (decodeRecord(part)?.samples ?? 0), 0);
    return Math.min(points, Math.ceil((points * rejected) / Math.max(1, samples)));
  }

  refresh(): Promise<void> {
    return this.#connections.refresh();
  }

  close(): void {
    this.#connections.close();
  }
}

/**
 * Creates the transport and reads the certificates of the config. Rejects if they cannot be read. It does not connect
 * yet.
 */
export async function connectRemoteWrite(config: RemoteWriteConfig, settings: Settings): Promise<Transport> {
  const transport = new RemoteWriteTransport(config, settings);
  await transport.open();
  return transport;
}
